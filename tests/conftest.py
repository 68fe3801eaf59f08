"""Fixtures for all tests: real images from INIF_DATA, and the command line as a function."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from typer.testing import CliRunner

from inif.image import Image, Metadata

# The same examples on every run and every machine, however slow: a red test stays red.
hypothesis.settings.register_profile("inif", deadline=None, derandomize=True)
hypothesis.settings.load_profile("inif")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real images named by INIF_DATA."""
    folder = os.environ.get("INIF_DATA")
    if not folder:
        pytest.skip("INIF_DATA is not set: no folder of real images")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"INIF_DATA names {folder!r}, which is not a folder")
    return path


@dataclass(frozen=True)
class Outcome:
    """What one command line left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object that stdout must be."""
        lines = self.stdout.splitlines()
        assert len(lines) == 1, f"stdout is not one JSON object: {self.stdout!r}"
        body = json.loads(lines[0], parse_constant=_no_constant)
        assert isinstance(body, dict)
        return body


@pytest.fixture
def cli() -> Callable[..., Outcome]:
    """Run ``inif`` in this process: ``cli("info", path, "--json")``."""
    from inif.cli.app import app

    def run(*words: object) -> Outcome:
        result = CliRunner().invoke(app, [str(w) for w in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@dataclass(frozen=True)
class Compressed:
    """A small image and its file, made once for all tests that only read them."""

    image: Path
    axes: str
    file: Path


@pytest.fixture(scope="session")
def stack() -> Image:
    """A smooth ZYX stack, 6 x 24 x 20 uint16, with pixel sizes."""
    z, y, x = np.meshgrid(*(np.linspace(0, 1, n) for n in (6, 24, 20)), indexing="ij")
    data = (1000 + 400 * np.sin(5 * x + z) * np.cos(4 * y)).astype(np.uint16)
    scale = {"Z": (0.5, "µm"), "Y": (0.1, "µm"), "X": (0.1, "µm")}
    return Image(data, "ZYX", Metadata(name="stack", scale=scale))


@pytest.fixture(scope="session")
def compressed(stack: Image, tmp_path_factory: pytest.TempPathFactory) -> Compressed:
    """The small stack as ``.npy`` (which names no axes) and as ``.inif``, about 1400 bytes."""
    import inif

    folder = tmp_path_factory.mktemp("compressed")
    image, target = folder / "stack.npy", folder / "stack.inif"
    np.save(image, stack.data)
    inif.compress(stack, out=target, ratio=4, effort=1).close()
    return Compressed(image, stack.axes, target)


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")
