"""Bytes of files whose samples are all within a bound, beside codecs that have bounds too.

    INIF_DATA=/path/to/images python benchmarks/latent/bounds.py [names]

Bounds are shares of each channel's range; 0 is lossless. Of large images the middle is taken
(`cropped`), at most 2²¹ samples. Written to benchmarks/results/latent_bounds.json; goes on where it
stopped. Rivals get each channel on its own, as float32 where they take no whole numbers; their
bound is then 0.49 more, for what they decode is rounded. All decodes are compared with originals.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import imagecodecs
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from record import RESULTS, data_dir, images, save

import inif
from inif.image import Image
from inif.io import read_image

SHARES = (0.0, 0.001, 0.005, 0.02)
MOST, SIDE = 1 << 21, 256
NEAR = 0.49
"""Added to the bound of a codec whose decoded samples are rounded to whole numbers."""

TUNED = (
    *("bpae_pair_raw", "brain", "codex", "hipsc", "microtubules", "mitosis", "nuclei_pair_low"),
    "vesicles",
)
"""Images on which constants of the method were chosen; the others had not been looked at."""


def middle(image: Image) -> Image:
    """At most `MOST` samples of an image: planes are cut to `SIDE` first, then T, Z and C."""
    sizes = dict(zip(image.axes, image.data.shape, strict=True))
    while math.prod(sizes.values()) > MOST:
        planar = [a for a in "YX" if sizes.get(a, 1) > SIDE]
        others = [a for a in "TZC" if sizes.get(a, 1) > 1]
        axis = max(planar, key=lambda a: sizes[a]) if planar else others[0]
        sizes[axis] = -(-sizes[axis] // 2)
    cut = tuple(
        slice((n - sizes[a]) // 2, (n - sizes[a]) // 2 + sizes[a])
        for a, n in zip(image.axes, image.data.shape, strict=True)
    )
    return Image(np.ascontiguousarray(image.data[cut]), image.axes)


def channels(image: Image) -> list[np.ndarray]:
    """Each channel as (planes, Y, X)."""
    axes = image.axes.replace("C", "")
    order = [axes.index(a) for a in "TZYX" if a in axes]
    return [part.transpose(order).reshape(-1, *part.shape[-2:]) for part in image.each_channel()]


def sz3(x: np.ndarray, error: float) -> tuple[int, np.ndarray]:
    """SZ3 in three dimensions."""
    data = imagecodecs.sz3_encode(x.astype(np.float32), mode="abs", abs=error + NEAR)
    return len(data), imagecodecs.sz3_decode(data, x.shape, np.float32)


def sperr(x: np.ndarray, error: float) -> tuple[int, np.ndarray]:
    """SPERR in three dimensions where there are planes, else in two."""
    array = x.astype(np.float32)
    if len(array) == 1:
        array = array[0]
    whole = (*(1,) * (3 - array.ndim), *array.shape)
    data = imagecodecs.sperr_encode(array, error + NEAR, "pwe", chunks=whole, numthreads=1)
    found = imagecodecs.sperr_decode(data, shape=array.shape, dtype=np.float32, numthreads=1)
    return len(data), np.asarray(found).reshape(x.shape)


def zfp(x: np.ndarray, error: float) -> tuple[int, np.ndarray]:
    """ZFP with a fixed accuracy, in three dimensions where there are planes, else in two."""
    array = x.astype(np.float32)
    array = array[0] if len(array) == 1 else array
    data = imagecodecs.zfp_encode(array, error + NEAR, mode="accuracy")
    return len(data), np.asarray(imagecodecs.zfp_decode(data)).reshape(x.shape)


def jpegls(x: np.ndarray, error: float) -> tuple[int, np.ndarray]:
    """JPEG-LS plane by plane; it has bounds of whole numbers up to 255."""
    data = [imagecodecs.jpegls_encode(plane, level=int(error)) for plane in x]
    return sum(map(len, data)), np.stack([imagecodecs.jpegls_decode(part) for part in data])


def jpegxl(x: np.ndarray, error: float) -> tuple[int, np.ndarray]:
    """JPEG XL, lossless, effort 7, plane by plane."""
    data = [
        imagecodecs.jpegxl_encode(plane, lossless=True, effort=7, usecontainer=False) for plane in x
    ]
    return sum(map(len, data)), np.stack([imagecodecs.jpegxl_decode(part) for part in data])


def zstd(x: np.ndarray, error: float) -> tuple[int, np.ndarray]:
    """Zstd, level 9, after a byte shuffle."""
    shuffled = np.ascontiguousarray(x).view(np.uint8).reshape(-1, x.dtype.itemsize).T.tobytes()
    return len(imagecodecs.zstd_encode(shuffled, 9)), x


Rival = Callable[[np.ndarray, float], tuple[int, np.ndarray]]
BOUNDED: dict[str, Rival] = {"sz3": sz3, "sperr": sperr, "zfp": zfp, "jpegls": jpegls}
EXACT: dict[str, Rival] = {"jpegxl": jpegxl, "zstd": zstd}


def rivals(image: Image, share: float) -> dict[str, Any]:
    """Bytes of each rival, and its largest error over the bound."""
    out: dict[str, Any] = {}
    parts = channels(image)
    bounds = [math.floor(share * (int(x.max()) - int(x.min()))) for x in parts]
    for name, run in (BOUNDED if share else BOUNDED | EXACT).items():
        if name == "jpegls" and max(bounds) > 255:
            continue
        total, over = 0, 0
        begun = time.process_time()
        for x, bound in zip(parts, bounds, strict=True):
            size, decoded = run(x, bound)
            total += size
            info = np.iinfo(x.dtype)
            whole = np.clip(np.rint(decoded.astype(np.float64)), info.min, info.max)
            over = max(over, int(np.abs(whole - x).max()) - bound)
        out[name] = {"bytes": total, "cpu_s": round(time.process_time() - begun, 2)}
        if over > 0:
            out[name]["over_the_bound"] = over
    return out


def ours(image: Image, share: float) -> dict[str, Any]:
    """Our file of a bound, decoded again and compared."""
    begun = time.process_time()
    file = inif.compress(image, max_error=f"{100 * share:g}%" if share else 0)
    encoded = time.process_time() - begun
    begun = time.process_time()
    decoded = np.asarray(inif.open(file.to_bytes()))
    seconds = time.process_time() - begun
    c = image.channel_axis
    off = np.abs(decoded.astype(np.int64) - image.data.astype(np.int64))
    parts = [off] if c is None else list(np.moveaxis(off, c, 0))
    whole = [image.data] if c is None else list(np.moveaxis(image.data, c, 0))
    for error, x in zip(parts, whole, strict=True):
        assert error.max() <= share * (int(x.max()) - int(x.min()))
    sections: dict[str, int] = {}
    for entry in file.container.sections:
        name = entry.kind.decode()
        sections[name] = sections.get(name, 0) + entry.length
    return {
        "bytes": file.file_bytes,
        "encode_cpu_s": round(encoded, 2),
        "decode_cpu_s": round(seconds, 2),
        "method": file.header["lossy"]["method"],
        "ways": file.header["field"].get("ways"),
        "sections": sections,
    }


def one(path: Path) -> dict[str, Any]:
    """All bounds of an image."""
    whole = read_image(path)
    image = middle(whole)
    out: dict[str, Any] = {"axes": image.axes, "shape": list(image.data.shape)}
    out |= {"raw": image.data.nbytes, "cropped": image.data.shape != whole.data.shape}
    for share in SHARES:
        row = {"inif": ours(image, share), **rivals(image, share)}
        if not share:
            exact = inif.compress(image, lossless=True)
            row["inif_lossless"] = {"bytes": exact.file_bytes}
            row["latent"] = {"bytes": latent_alone(image)}
        out[f"{100 * share:g}%"] = row
    return out


def latent_alone(image: Image) -> int:
    """Bytes of field and corrections at a bound of 0, also where exact samples take fewer."""
    import inif.encode.latent.bound as made

    kept = made.encode_lossless
    made.encode_lossless = lambda job: SimpleNamespace(size=4 * image.raw_bytes)
    try:
        return inif.compress(image, max_error=0).file_bytes
    finally:
        made.encode_lossless = kept


def summary(runs: dict[str, Any]) -> dict[str, Any]:
    """Our bytes over a rival's at each bound: geometric means over images, and how often fewer."""
    out: dict[str, Any] = {}
    for share in SHARES:
        key = f"{100 * share:g}%"
        found: dict[str, Any] = {}
        for name in dict.fromkeys(n for run in runs.values() for n in run[key] if n != "inif"):
            for which, own in (("", "inif"), *((("latent over ", "latent"),) if not share else ())):
                if name == own:
                    continue
                for group in ("all", "not tuned on"):
                    ratios = [
                        run[key][own]["bytes"] / run[key][name]["bytes"]
                        for image, run in runs.items()
                        if name in run[key] and (group == "all" or not image.startswith(TUNED))
                    ]
                    if ratios:
                        row = found.setdefault(which + name, {})
                        mean = float(np.exp(np.mean(np.log(ratios))))
                        row[group] = {"mean": round(mean, 3), "of": len(ratios)}
                        row[group]["fewer"] = sum(r < 1 for r in ratios)
        out[key] = found
    return out


def main() -> None:
    """Every image asked for that has not been done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="beginnings of names; all if there are none")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    out = RESULTS / "latent_bounds.json"
    runs: dict[str, Any] = json.loads(out.read_text())["runs"] if out.is_file() else {}
    for path in images(data_dir()):
        wanted = not given.names or path.name.startswith(tuple(given.names))
        if not wanted or path.name in runs:
            continue
        runs[path.name] = one(path)
        body = {"imagecodecs": imagecodecs.__version__, "shares": SHARES, "tuned": TUNED}
        save("latent_bounds", body | {"summary": summary(runs), "runs": runs})
        row = {
            key: {name: cell["bytes"] for name, cell in runs[path.name][key].items()}
            for key in (f"{100 * s:g}%" for s in SHARES)
        }
        print(path.name, runs[path.name]["shape"], json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
