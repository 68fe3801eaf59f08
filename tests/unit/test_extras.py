"""What works without JAX, and what is said where it is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from inif.errors import MissingExtraError, extras_named

WITHOUT = """
import sys
sys.modules.update(jax=None, optax=None)  # as if they were not installed
import numpy as np
import inif
from inif.cli.app import app

rng = np.random.default_rng(0)
image = (500 + rng.normal(0, 20, (2, 64, 64)).cumsum(1)).clip(0, 4000).astype(np.uint16)
np.save("image.npy", image)
inif.compress(image, out="a.inif", axes="ZYX", ratio=10).close()
inif.compress(image, out="b.inif", axes="ZYX", lossless=True).close()
for name in ("a.inif", "b.inif"):
    inif.inspect(name)
    assert inif.verify(name)["ok"]
    assert inif.evaluate(image, name, axes="ZYX").psnr > 20
for guide in ("filaments", "perceptual"):
    try:
        inif.compress(image, axes="ZYX", ratio=10, guide=guide)
    except inif.errors.MissingExtraError as error:
        assert "bioinif[fields]" in str(error), error
    else:
        raise AssertionError(guide)
app(["compress", "image.npy", "--axes", "ZYX", "--guide", "blobs", "-o", "c.inif"])
"""


def test_what_needs_no_extra_works_without(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "pip install 'bioinif[fields]'" in done.stderr
    assert not (tmp_path / "c.inif").exists()


def test_other_modules_that_are_missing_are_no_extra() -> None:
    with pytest.raises(ModuleNotFoundError), extras_named():
        raise ModuleNotFoundError("No module named 'jax.nowhere'", name="jax.nowhere")
    with pytest.raises(MissingExtraError, match="optax"), extras_named():
        raise ModuleNotFoundError("No module named 'optax'", name="optax")
