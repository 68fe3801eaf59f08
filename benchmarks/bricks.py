"""Memory and time of large stacks, made by tiling one image; rivals' encodes beside.

    INIF_DATA=… python benchmarks/bricks.py FOLDER [--planes 60 960] [--hybrid] [--rivals]

Each encode runs in a process of its own, whose peak memory is recorded. Stacks and files are left
in FOLDER (some GB). Written to benchmarks/results/bricks.json.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from record import data_dir, images, load, save

RATIO, SIDE = 128, 1024


def tiled(image: np.ndarray, path: Path, planes: int) -> None:
    """A stack of 1024 × 1024 planes, by tiles of an image (Z, Y, X) turned and shifted."""
    shape = (planes, SIDE, SIDE)
    out = np.lib.format.open_memmap(path, mode="w+", dtype=image.dtype, shape=shape)
    rng = np.random.default_rng(1)
    for corner in np.ndindex(*(-(-n // m) for n, m in zip(shape, image.shape, strict=True))):
        part = image[tuple(slice(None, None, rng.choice((1, -1))) for _ in range(3))]
        part = np.roll(part, rng.integers(image.shape[1:]), (1, 2))
        where = tuple(slice(c * n, (c + 1) * n) for c, n in zip(corner, image.shape, strict=True))
        there = out[where]
        there[...] = part[tuple(slice(0, n) for n in there.shape)]
    out.flush()


def encoded(path: Path, out: Path, method: str, effort: int) -> dict[str, Any]:
    """One encode, in this process."""
    import inif
    from inif.io import open_image

    wall, cpu = time.perf_counter(), time.process_time()
    image = open_image(path, axes="ZYX")
    file = inif.compress(image, out=out, overwrite=True, ratio=RATIO, method=method, effort=effort)
    mega = image.raw_bytes / 1e6
    row = {"wall_s_per_mb": (time.perf_counter() - wall) / mega}
    row |= {"cpu_s_per_mb": (time.process_time() - cpu) / mega}
    row |= {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}
    lossy = file.header["lossy"]
    return row | {"method": lossy["method"], "psnr": lossy["psnr"], "bytes": file.file_bytes}


def decoded(out: Path) -> dict[str, Any]:
    """The first plane and the next at three places, and the whole by runs of bricks."""
    import inif

    row: dict[str, Any] = {}
    with inif.open(out) as file:
        count, deep = file.shape[0], file.grid.brick[0]
        for name, place in (("first", 0), ("middle", count // 2), ("last", count - 2)):
            begun = time.perf_counter()
            file[place]
            row[f"{name}_plane_s"] = time.perf_counter() - begun
            begun = time.perf_counter()
            file[place + 1]
            row[f"{name}_next_plane_s"] = time.perf_counter() - begun
    with inif.open(out) as file:
        begun, done = time.perf_counter(), 0
        for first in range(0, min(count, 4 * deep), deep):
            done += file[first : first + deep].nbytes
        row["decode_mb_per_s"] = done / 1e6 / (time.perf_counter() - begun)
    return row | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}


def rival(path: Path, kind: str, preset: str) -> dict[str, Any]:
    """One encode by a codec alone, of its 10 or 12 bits: what a search takes several times."""
    from inif.codecs import load_codec

    data = np.load(path, mmap_mode="r")
    codec = load_codec(kind, preset=int(preset) if kind == "av1" else preset)
    peak = (1 << codec.bits) - 1
    levels = np.rint(data / data.max() * np.float32(peak)).astype(np.uint16)
    wall, cpu = time.perf_counter(), time.process_time()
    stream = codec.encode(levels, codec.knob(len(levels)).start, 2)
    mega = data.nbytes / 1e6
    row = {"wall_s_per_mb": (time.perf_counter() - wall) / mega, "bytes": len(stream)}
    return row | {"cpu_s_per_mb": (time.process_time() - cpu) / mega}


def apart(*words: str) -> dict[str, Any]:
    """One of the above in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, *words], check=True, capture_output=True, text=True
    )
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(*words[:1], *words[2:], row, flush=True)
    return row


def main() -> None:
    warnings.simplefilter("ignore")
    if sys.argv[1] == "encode":
        path, out, method, effort = sys.argv[2:]
        print(json.dumps(encoded(Path(path), Path(out), method, int(effort))))
        return
    if sys.argv[1] == "decode":
        print(json.dumps(decoded(Path(sys.argv[2]))))
        return
    if sys.argv[1] == "rival":
        print(json.dumps(rival(Path(sys.argv[2]), *sys.argv[3:])))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--planes", type=int, nargs="+", default=[60, 960])
    parser.add_argument("--efforts", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--hybrid", action="store_true")
    parser.add_argument("--rivals", action="store_true")
    options = parser.parse_args()
    from inif.io import read_image

    source = next(p for p in images(data_dir()) if p.name.startswith("hipsc"))
    runs = load("bricks").get("runs", {})
    for planes in options.planes:
        path = options.folder / f"stack{planes}.npy"
        if not path.exists():
            tiled(read_image(source).data, path, planes)
        run = runs.setdefault(f"{planes} × {SIDE} × {SIDE}", {})
        out = options.folder / f"stack{planes}.inif"
        if options.hybrid:
            run["hybrid"] = apart("encode", str(path), str(out), "hybrid", "3")
        if options.rivals:
            run["x265 slow, one encode"] = apart("rival", str(path), "hevc", "slow")
            run["SVT-AV1 preset 4, one encode"] = apart("rival", str(path), "av1", "4")
        for effort in options.efforts:
            run[f"effort {effort}"] = apart("encode", str(path), str(out), "auto", str(effort))
        run["decode"] = apart("decode", str(out))
        save("bricks", {"runs": runs})


if __name__ == "__main__":
    main()
