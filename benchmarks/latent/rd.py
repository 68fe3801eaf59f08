"""Rate and distortion of the latent field beside the best codec of each image, with its times.

    INIF_DATA=/path/to/images python benchmarks/latent/rd.py [--method latent] [--effort 1] [names]

Codecs are those of benchmarks/results/bench. Written to benchmarks/results/latent_rd.json, or what
--out names; goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from record import RESULTS, data_dir, images, save

import inif
from inif.io import read_image
from inif_bench.bdrate import bd_rate

CODECS = ("hevc", "av1", "jpeg2000", "jpegxl", "avif", "htj2k", "sperr")


def curve(name: str, arm: str) -> list[tuple[float, float]]:
    """(bytes, PSNR in dB) of an arm on an image."""
    path = RESULTS / "bench" / name / f"{arm}.json"
    if not path.is_file():
        return []
    cells = json.loads(path.read_text())["cells"].values()
    return [(c["file_bytes"], c["psnr"]) for c in cells if c.get("status") == "done"]


def ratios_of(name: str) -> list[str]:
    """The ratios of the benchmark for an image."""
    cells = json.loads((RESULTS / "bench" / name / "av1.json").read_text())["cells"]
    return [ratio for ratio, cell in cells.items() if cell.get("status") == "done"]


def rate(reference: list[tuple[float, float]], own: list[tuple[float, float]]) -> float | None:
    """Bytes more or fewer than a reference at equal PSNR, in %; None where nothing overlaps."""
    found = bd_rate(reference, own)
    return None if isinstance(found, str) else round(found.percent, 2)


def measured(path: Path, ratio: float, method: str, effort: int) -> dict[str, Any]:
    """One file: size, quality, and seconds of this process's processors and of the wall."""
    image = read_image(path)
    wall, cpu = time.perf_counter(), time.process_time()
    file = inif.compress(image, ratio=ratio, method=method, effort=effort)
    row: dict[str, Any] = {"ratio": ratio, "bytes": file.file_bytes}
    row |= {"encode_s": time.perf_counter() - wall, "encode_cpu_s": time.process_time() - cpu}
    data = file.to_bytes()
    wall, cpu = time.perf_counter(), time.process_time()
    with inif.open(data) as opened:
        decoded = np.asarray(opened)
    row |= {"decode_s": time.perf_counter() - wall, "decode_cpu_s": time.process_time() - cpu}
    row |= {"psnr": file.header["lossy"]["psnr"], "method": file.header["lossy"]["method"]}
    row |= {"auto": file.header["lossy"].get("auto"), "field": file.header["field"]}
    assert decoded.shape == image.data.shape
    return row


def main() -> None:
    """Every image asked for, at the ratios of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", default="latent")
    parser.add_argument("--effort", type=int, default=1)
    parser.add_argument("names", nargs="*", help="beginnings of names; all if there are none")
    parser.add_argument("--out", default="latent_rd", help="name of the result")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    out = RESULTS / f"{given.out}.json"
    kept = json.loads(out.read_text())["runs"] if out.is_file() else {}
    run = kept.setdefault(f"{given.method}, effort {given.effort}", {})
    for path in images(data_dir()):
        name = path.name.removesuffix(".ome.tif")
        if given.names and not any(name.startswith(part) for part in given.names):
            continue
        curves = {arm: curve(name, arm) for arm in CODECS}
        curves = {arm: points for arm, points in curves.items() if len(points) > 2}
        raw = read_image(path).raw_bytes
        ratios = sorted(float(r) for r in ratios_of(name))
        rows = {row["ratio"]: row for row in run.get(name, {}).get("files", [])}
        for ratio in ratios:
            if ratio not in rows:
                rows[ratio] = measured(path, ratio, given.method, given.effort)
        files = [rows[r] for r in sorted(rows)]
        own = [(row["bytes"], row["psnr"]) for row in files]
        rates = {arm: r for arm, points in curves.items() if (r := rate(points, own)) is not None}
        best = max(rates, key=lambda arm: rates[arm])
        default = rate(curve(name, "inif"), own)
        run[name] = {"raw_bytes": raw, "bd_rate": rates, "best": best, "default": default}
        run[name] |= {"files": files}
        mega = raw * len(files) / 1e6
        times = {
            k: sum(row[k] for row in files) / mega
            for k in ("encode_s", "encode_cpu_s", "decode_s", "decode_cpu_s")
        }
        print(name, f"{best} {rates[best]:+.1f} % (default {default})", end=" ")
        print({k: round(v, 3) for k, v in times.items()}, flush=True)
        save(given.out, {"runs": kept})
    worst = [run[name]["bd_rate"][run[name]["best"]] for name in run]
    print(f"mean {np.mean(worst):+.2f} %, worst {max(worst):+.2f} %, {len(worst)} images")


if __name__ == "__main__":
    main()
