"""Made-up results of a benchmark, for the tests of its tables and figures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from inif_bench.crop import to_png
from inif_bench.store import Record

RATIOS = (64.0, 128.0, 181.0, 256.0, 512.0)
WHERE = {"plane": {"Z": 3}, "y": [10, 58], "x": [20, 68], "low": 100.0, "high": 4100.0}
STACK = ("ZYX", (20, 64, 256))
PLANE = ("YX", (512, 640))
MULTI = ("ZCYX", (10, 2, 64, 256))


def image(name: str, like: tuple[str, tuple[int, ...]] = STACK, **changes: Any) -> dict[str, Any]:
    axes, shape = like
    return {
        "name": name,
        "axes": axes,
        "shape": list(shape),
        "dtype": "uint16",
        "raw_bytes": 2 * math.prod(shape),
        "sha256": "ab" * 32,
        "ranges": [[90.0, 4200.0]],
        "reference": None,
        **changes,
    }


def arm(name: str, family: str = "codec", **changes: Any) -> dict[str, Any]:
    settings = {"preset": "slow", "rate control": "CRF, by search"}
    return {"name": name, "title": name.upper(), "family": family, "settings": settings, **changes}


def window(blur: float = 0.0) -> np.ndarray:
    """A crop in counts, with errors of that standard deviation."""
    y, x = np.mgrid[:48, :48]
    clean = 2000 + 1500 * np.sin(x / 5) * np.cos(y / 7)
    return clean + np.random.default_rng(int(blur)).normal(0, blur, clean.shape)


def cell(
    raw: int, target: float, psnr: float | None, reached: float | None = None, **changes: Any
) -> dict[str, Any]:
    """A scored cell; with `reached`, its file is that much smaller than the raw bytes at best."""
    size = int(raw / (reached or target))
    error = 0.0 if psnr is None else 4000 * 10 ** (-psnr / 20)
    return {
        "status": "unreachable" if reached else "done",
        "reason": "its smallest file is larger than the budget" if reached else None,
        "budget": int(raw / target),
        "file_bytes": size,
        "ratio": round(raw / size, 3),
        "bits_per_voxel": 16 / target,
        "knob": {"crf": 30.0},
        "encodes": 4,
        "psnr": psnr,
        "psnr_per_channel": [psnr],
        "ssim": None if psnr is None else round(1 - 10 ** (-psnr / 20), 5),
        "nrmse": 0.01,
        "max_error": 300.0,
        "worst_slice": {"index": {"Z": 3}, "psnr": None if psnr is None else psnr - 2},
        "reference": None,
        "encode_s": 2.0,
        "search_s": 8.0,
        "decode_s": 0.5,
        "peak_memory_bytes": 200_000_000,
        "crop_png": to_png(window(error), WHERE),
        **changes,
    }


def record(
    image: dict[str, Any],
    arm: dict[str, Any],
    gain: float = 0.0,
    share: float = 1.0,
    ratios: tuple[float, ...] = RATIOS,
    **cells: dict[str, Any],
) -> Record:
    """An arm on an image, 3 dB worse for each doubling of the ratio.

    Parameters
    ----------
    gain
        dB on top of 45 dB at 64×.
    share
        Bytes of each file as a share of its budget, at the same PSNR.
    cells
        Cells in place of the usual ones: ``r128={...}``.
    """
    raw = image["raw_bytes"]
    made = {}
    for ratio in ratios:
        psnr = round(45 + gain - 3 * math.log2(ratio / 64), 4)
        made[f"{ratio:g}"] = cell(raw, ratio, psnr)
        size = int(raw / ratio * share)
        made[f"{ratio:g}"] |= {"file_bytes": size, "ratio": round(raw / size, 3)}
    made |= {key[1:]: value for key, value in cells.items()}
    return Record(image, arm, run(), made)


def run(**changes: Any) -> dict[str, Any]:
    return {
        "command": "inif-bench",
        "date": "2025-11-25",
        "versions": {"inif": "0.1", "numpy": "2.0"},
        "machine": {"system": "x86_64", "cores": 2},
        "threads": 1,
        "jobs": 1,
        "seed": 0,
        **changes,
    }


def original(image: dict[str, Any], **changes: Any) -> dict[str, Any]:
    crop = {**WHERE, "png": to_png(window(), WHERE)}
    return {"image": image, "reference_psnr": None, "crop": crop, **changes}


def lossless(image: dict[str, Any]) -> Record:
    raw = image["raw_bytes"]
    about = arm("zstd", "lossless", title="Blosc2 + Zstd, lossless")
    return Record(image, about, run(), {"1": cell(raw, 1.5, None)})


def everything() -> list[Record]:
    """Three kinds of images; arms that meet their targets, miss them, fail, and are missing."""
    images = [
        image("nuclei_zyx"),
        image("vesicles_zyx"),
        image("mitosis_zcyx", MULTI),
        image("low_yx", PLANE, reference="high_yx"),
    ]
    records = []
    for n, one in enumerate(images):
        raw = one["raw_bytes"]
        gone = {"status": "missing", "reason": "imagecodecs has no SPERR here"}
        failed = {"status": "failed", "reason": "RuntimeError: a|b", "budget": raw // 512}
        records += [
            record(one, arm("av1"), 0.4 - 0.3 * n),
            record(one, arm("hevc"), r512=cell(raw, 512, 36.1)),
            record(one, arm("jpegxl"), -1.5 + n, r512=cell(raw, 512, 35.5, reached=400)),
            record(
                one, arm("zfp"), -9, **{f"r{r:g}": cell(raw, r, 19.87, reached=41) for r in RATIOS}
            ),
            Record(one, arm("sperr"), run(), {f"{r:g}": dict(gone) for r in RATIOS}),
            record(one, arm("hevc-as-published", "published"), -4, r512=failed),
            record(one, arm("siren-as-published", "published"), -6, ratios=(128.0,)),
            record(one, arm("inif-siren", "inif"), -2.5),
            lossless(one),
        ]
    for r in records:
        if r.image["reference"] and r.arm["family"] != "lossless":
            for c in r.met().values():
                c["reference"] = {"name": "high_yx", "psnr": round(c["psnr"] - 15, 4)}
    return records
