"""Try an installed wheel: what it holds, and a round trip of the latent field by the command line.

    python tests/wheel.py

with the interpreter of an environment that holds the wheel. Programs in other folders are out of
reach of the command, a compiler among them. Exit status: 0, or 1 and one sentence.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.metadata import distribution, files
from pathlib import Path

import numpy as np
import tifffile

NEEDED = ("tables.xz", "nets.bin", "napari.yaml", "py.typed", "LICENSE")
FOREIGN = (".cpp", ".hpp", ".h", ".a", ".o", ".cmake")
MOST = 12_000_000
"""Bytes of all files, installed."""

RATIO = 32
LEAST_DB = 35.0


def held() -> str:
    """What the wheel installed; leaves if that is not what it should be."""
    installed = [f for f in files("bioinif") or () if "__pycache__" not in f.parts]
    names = [f.name for f in installed]
    cores = [n for n in names if n.startswith("_core.") and n.endswith((".so", ".pyd"))]
    if len(cores) != 1:
        sys.exit(f"error: the wheel holds {len(cores)} compiled cores, not one; is it an editable?")
    missing = [n for n in NEEDED if n not in names]
    foreign = [str(f) for f in installed if f.suffix in FOREIGN]
    if missing or foreign:
        sys.exit(f"error: the wheel lacks {missing}, and should not hold {foreign}")
    paths = {f.as_posix() for f in installed}
    for point in distribution("bioinif").entry_points:
        module = point.module.replace(".", "/")
        if not paths & {f"{module}.py", f"{module}/__init__.py"}:
            sys.exit(
                f"error: the wheel lacks {point.module}, which is {point.name} of {point.group}"
            )
    size = sum(f.size or 0 for f in installed)
    if size > MOST:
        sys.exit(f"error: the wheel takes {size / 1e6:.1f} MB, more than {MOST / 1e6:.0f}")
    return f"{cores[0]}, {len(names)} files, {size / 1e6:.1f} MB installed"


def image() -> np.ndarray:
    """Spots in noise, (5, 120, 150) uint16."""
    rng = np.random.default_rng(0)
    z, y, x = np.mgrid[:5, :120, :150]
    spots = sum(
        3000 * np.exp(-((y - cy - 3 * z) ** 2 + (x - cx) ** 2) / 90)
        for cy, cx in rng.uniform(10, 110, (12, 2))
    )
    return (200 + spots + rng.normal(0, 12, z.shape)).clip(0).astype(np.uint16)


def round_trip(folder: Path) -> str:
    """Compress and decompress by commands; leaves if the image does not come back."""
    original = image()
    tifffile.imwrite(folder / "a.ome.tif", original, metadata={"axes": "ZYX"})
    environment = os.environ | {"PATH": str(Path(sys.executable).parent)}

    def inif(*words: str) -> None:
        command = [sys.executable, "-m", "inif", *words]
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)

    inif("compress", "a.ome.tif", "-o", "a.inif", "--ratio", str(RATIO), "--method", "latent")
    inif("verify", "a.inif")
    inif("decompress", "a.inif", "-o", "b.ome.tif")
    size, back = (folder / "a.inif").stat().st_size, tifffile.imread(folder / "b.ome.tif")
    if size * RATIO > original.nbytes or back.dtype != original.dtype:
        sys.exit(f"error: {size} bytes of {back.dtype} came of {original.nbytes} at {RATIO}:1")
    error = np.mean((back.astype(float) - original) ** 2)
    psnr = 10 * np.log10(float(np.ptp(original)) ** 2 / error)
    if psnr < LEAST_DB:
        sys.exit(f"error: the image came back at {psnr:.1f} dB, below {LEAST_DB}")
    return f"{original.nbytes} bytes in {size}, {psnr:.1f} dB"


if __name__ == "__main__":
    print(held())
    with tempfile.TemporaryDirectory() as name:
        print(round_trip(Path(name)))
