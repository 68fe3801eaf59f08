"""Fixtures for all tests: real images from INIF_DATA, small files, the command line as a function.

Most of a small fit is compiling it. So tests compile without optimising, programs are cached for
the session (JAX_COMPILATION_CACHE_DIR: for longer), and tests of decoding use files of random
weights, which need no fit.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from click.testing import CliRunner
from typer.main import get_command

from inif.image import Image, Metadata

# The same examples on every run and every machine, however slow: a red test stays red. `make
# test-slow` runs the thorough ones.
hypothesis.settings.register_profile("inif", max_examples=12, deadline=None, derandomize=True)
hypothesis.settings.register_profile("thorough", max_examples=300, deadline=None, derandomize=True)
hypothesis.settings.load_profile("inif")

QUICK: dict[str, Any] = {"optimizer": "adam", "settings": {"steps": 32, "points": 256}}


def pytest_configure(config: pytest.Config) -> None:
    """Settings that JAX reads when it is first imported: before any test module is."""
    if config.getoption("numprocesses", None):
        return  # tests run in workers, which come here too: each has a folder of its own
    folder = tempfile.TemporaryDirectory(prefix="inif-jax-")
    config.add_cleanup(folder.cleanup)
    wanted = {
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
        "JAX_COMPILATION_CACHE_DIR": folder.name,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    for name in wanted.keys() - os.environ.keys():
        os.environ[name] = wanted[name]
        config.add_cleanup(partial(os.environ.pop, name))


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


def random_weights(self: Any, quantizer: Any = None, progress: Any = None, **_: Any) -> Any:
    """What a fit gives, of random weights, at once: takes the place of `Fitter.run`."""
    from inif.encode.siren.fit import FitResult

    bricks = len(self.sampler.grid)
    rng = np.random.default_rng(self.settings.seed)
    groups = [
        rng.normal(0, 1 / math.sqrt(s[-1]), (bricks, *s)).astype(np.float32)
        for s in self.field.group_shapes
    ]
    sensitivity = rng.uniform(0.1, 10, (bricks, len(groups)))
    if quantizer:
        quantizer.steps(groups, sensitivity)
    mse = np.full(bricks, 0.1)
    return FitResult(groups, mse, sensitivity, 1, "steps", np.ones(bricks))


@pytest.fixture
def unfitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits return random weights at once."""
    monkeypatch.setattr("inif.encode.siren.fit.Fitter.run", random_weights)


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


@pytest.fixture(scope="session")
def program() -> Any:
    """What the program `inif` runs, built once."""
    from inif.cli.app import app

    return get_command(app)


@pytest.fixture
def cli(program: Any) -> Callable[..., Outcome]:
    """Run ``inif`` in this process: ``cli("info", path, "--json")``."""

    def run(*words: object) -> Outcome:
        result = CliRunner().invoke(program, [str(w) for w in words])
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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inif.encode.siren.fit.Fitter.run", random_weights)
        inif.compress(stack, out=target, ratio=4, method="siren", **QUICK).close()
    return Compressed(image, stack.axes, target)


@pytest.fixture(scope="session")
def quick() -> Callable[..., Any]:
    """`inif.compress --method siren` with very few steps: ``quick(data, axes="YX", size=1000)``."""
    import inif

    def run(image: Any, **options: Any) -> Any:
        return inif.compress(image, **{"method": "siren", **QUICK, **options})

    return run


@pytest.fixture(scope="session")
def random_file() -> Callable[..., bytes]:
    """The bytes of a sound file of random weights: ``random_file("ZYX", (4, 9, 9), "uint8")``."""
    return make_random_file


def make_random_file(
    axes: str,
    shape: tuple[int, ...],
    dtype: str = "uint16",
    *,
    brick: tuple[int, ...] | None = None,
    channels: str = "outputs",
    width: int = 9,
    layers: int = 4,
    seed: int = 0,
    meta: Metadata | None = None,
    extra: tuple[Any, ...] = (),
    ranges: list[list[float]] | None = None,
    spoil: Callable[[int, list[np.ndarray]], list[np.ndarray]] = lambda b, w: w,
) -> bytes:
    """A file as the encoder would write it; `spoil` may change weights after their check."""
    from inif.coding.check import Check
    from inif.coding.qweights import KIND, quantize
    from inif.coding.qweights import pack as pack_weights
    from inif.container.writer import Section, pack
    from inif.decode.check import check_of
    from inif.decode.file import open_file
    from inif.fields.siren import Siren

    c = axes.find("C")
    count = shape[c] if c >= 0 else 1
    field = Siren.for_image(axes, shape, channels=channels, width=width, layers=layers)
    limits = {"uint8": [0, 255], "uint16": [100, 4000], "int16": [-300, 900]}
    header: dict[str, Any] = {
        "axes": axes,
        "shape": list(shape),
        "dtype": dtype,
        "range": ranges or [limits.get(dtype, [-0.5, 2.5])] * count,
        "brick": list(brick or shape),
        "field": field.to_json(),
        "requires": ["siren/1", "qweights/1"],
    }
    if meta is not None:
        header["meta"] = meta.to_json()
    bricks = int(np.prod([-(-n // b) for n, b in zip(shape, brick or shape, strict=True)]))
    rng = np.random.default_rng(seed)
    weights = []
    for _ in range(bricks):
        groups = [rng.normal(0, 1.5 / np.sqrt(s[-1] or 1), s) for s in field.group_shapes]
        groups[0] *= 4
        groups[-3] *= 0.4  # most outputs stay within the range
        groups[-1] *= 0.1
        weights.append(groups)

    def written(changed: list[list[np.ndarray]], checks: list[Check]) -> bytes:
        quantized = [quantize(w, 2e-3, [0] * len(w)) for w in changed]
        parts = [Section(KIND, pack_weights(q, checks[b]), b) for b, q in enumerate(quantized)]
        return pack(header, [*extra, *parts])

    with open_file(written(weights, [Check()] * bricks)) as file:
        checks = [
            check_of(file.brick_samples(b), header, b, file.brick(b).inputs())
            for b in range(bricks)
        ]
    return written([spoil(b, w) for b, w in enumerate(weights)], checks)


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")
