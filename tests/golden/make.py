"""Makes golden files: only those that are not there yet, never one again (README.md).

python tests/golden/make.py
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import inif
from inif.bricks import BrickGrid
from inif.coding import qweights
from inif.coding.check import Check
from inif.config import FitSettings
from inif.container.writer import Section, pack
from inif.decode.check import check_of
from inif.encode.job import Job
from inif.encode.lossless import lossless_section
from inif.fields.siren import Siren
from inif.image import Channel, Image, Metadata

HERE = Path(__file__).parent
MANIFEST = HERE / "manifest.json"


def random_weights(field: Siren, rng: np.random.Generator) -> list[np.ndarray]:
    """Weights of a network whose outputs fill about [-1, 1], as a trained one's do."""
    shapes = field.group_shapes
    limits = [6.0, *[np.sqrt(6 / field.width)] * (field.layers - 2), np.sqrt(3 / field.width)]
    matrices = [rng.uniform(-x, x, s) for x, s in zip(limits, shapes[:-2], strict=True)]
    return [*matrices, rng.uniform(-3, 3, shapes[-2]), rng.uniform(-0.3, 0.3, shapes[-1])]


def hand_made(
    axes: str,
    shape: Sequence[int],
    dtype: str,
    ranges: Sequence[Sequence[float]],
    *,
    brick: Sequence[int] | None = None,
    channels: str = "outputs",
    width: int = 6,
    layers: int = 4,
    base: float = 0.02,
    exponents: Sequence[int] | None = None,
    zero: Sequence[int] = (),
    extra: Sequence[Section] = (),
    meta: dict[str, Any] | None = None,
    seed: int = 0,
) -> bytes:
    """A file with random weights, without any fit; groups in `zero` are all 0."""
    rng = np.random.default_rng(seed)
    field = Siren.for_image(axes, shape, channels=channels, width=width, layers=layers)
    header: dict[str, Any] = {
        "axes": axes,
        "shape": list(shape),
        "dtype": dtype,
        "range": [list(pair) for pair in ranges],
        "field": field.to_json(),
        "requires": ["siren/1", "qweights/1"],
    }
    if brick is not None:
        header["brick"] = list(brick)
    if meta is not None:
        header["meta"] = meta
    exps = exponents or [0] * len(field.group_shapes)
    quantized = []
    for _ in range(len(BrickGrid(tuple(shape), tuple(brick or shape)))):
        weights = random_weights(field, rng)
        for group in zero:
            weights[group][...] = 0
        quantized.append(qweights.quantize(weights, base, exps))

    def packed(checks: Sequence[Check]) -> bytes:
        pairs = enumerate(zip(quantized, checks, strict=True))
        sections = [Section(qweights.KIND, qweights.pack(q, check), b) for b, (q, check) in pairs]
        return pack(header, [*extra, *sections])

    file = inif.open(packed([Check()] * len(quantized)))
    return packed(
        [
            check_of(file.brick_samples(b), header, b, file.brick(b).inputs())
            for b in range(len(quantized))
        ]
    )


def waves(*shape: int) -> np.ndarray:
    """A smooth image in [-1, 1]."""
    grids = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    phase = sum(((2 + i) * g for i, g in enumerate(grids)), np.zeros(()))
    return np.asarray(np.sin(2 * phase) * np.cos(3 * grids[-1]))


def fitted(data: np.ndarray, axes: str, ratio: float, meta: Metadata | None = None) -> bytes:
    """A file as `inif.compress` makes it, after a short fit."""
    image = Image(data, axes, meta or Metadata())
    settings = {"steps": 32, "points": 512}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "golden.inif"
        options = {"method": "siren", "effort": 1, "settings": settings}
        inif.compress(image, out=path, ratio=ratio, **options).close()
        return path.read_bytes()


def coded(
    data: np.ndarray, axes: str, size: int, *, hot: Sequence[tuple[int, ...]] = (), **options: Any
) -> bytes:
    """A hybrid of an image with some noise and samples of -9999, as `inif.compress` makes it."""
    noise = np.random.default_rng(0).normal(0, 0.02 * np.ptp(data), data.shape)
    data = (data + noise).astype(data.dtype)
    for place in hot:
        data[place] = -9999
    options = {"method": "hybrid", "effort": 1, **options}
    return inif.compress(Image(data, axes), size=size, **options).to_bytes()


def exact(data: np.ndarray, axes: str, brick: Sequence[int]) -> bytes:
    """A file of the very samples, in bricks of this shape."""
    grid = BrickGrid(data.shape, tuple(brick))
    header: dict[str, Any] = {
        "axes": axes,
        "shape": list(data.shape),
        "dtype": data.dtype.name,
        "range": Job(Image(data, axes), None, FitSettings()).ranges,
        "brick": list(brick),
        "field": {"kind": "none"},
        "lossless": {"codecs": ["jpegxl", "zstd"]},
        "requires": ["lossless/1"],
    }
    parts = enumerate(data[grid.slices(b)] for b in range(len(grid)))
    return pack(header, [lossless_section(part, header, b, 3) for b, part in parts])


def noisy_and_labels() -> np.ndarray:
    """Two channels of ZCYX: brightness with noise, and numbered blocks."""
    noise = np.random.default_rng(0).normal(0, 1, (3, 20, 24))
    labels = np.kron(np.arange(30).reshape(5, 6), np.ones((4, 4), int)) * 70_001 - 5
    return np.stack([1e6 + 50 * waves(3, 20, 24) + noise, [labels, labels, 0 * labels]], 1)


def not_only_numbers() -> np.ndarray:
    """Float64 with everything that it can hold, and YX small enough for one chunk."""
    data = np.round(waves(12, 15), 3)
    data.flat[:5] = (np.nan, -0.0, np.inf, -np.inf, 5e-324)
    return data


def omex() -> Section:
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0" Name="golden µ"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
        'Type="int16" SizeX="50" SizeY="1" SizeZ="1" SizeC="1" SizeT="1">'
        '<Channel ID="Channel:0:0" SamplesPerPixel="1"/><MetadataOnly/></Pixels></Image></OME>'
    )
    return Section(b"OMEX", zlib.compress(text.encode(), 9))


_PIXELS = Metadata(
    "stack",
    {"Z": (0.5, "µm"), "Y": (0.1, "µm"), "X": (0.1, "µm")},
    (Channel("DNA"),),
)

FILES: dict[str, Callable[[], bytes]] = {
    "yx_uint8": lambda: fitted((127.5 + 120 * waves(40, 36)).astype(np.uint8), "YX", 2),
    "zyx_uint16": lambda: fitted(
        (1000 + 400 * waves(5, 18, 16)).astype(np.uint16), "ZYX", 3, _PIXELS
    ),
    "tzcyx_uint16": lambda: fitted(
        (30000 + 20000 * waves(3, 2, 2, 12, 11)).astype(np.uint16), "TZCYX", 3
    ),
    "tzcyx_uint16_outputs": lambda: hand_made(
        "TZCYX",
        (2, 3, 3, 7, 8),
        "uint16",
        [(100, 4095), (0, 65535), (328, 694)],
        brick=(1, 3, 3, 4, 8),
        width=8,
        layers=7,
        seed=2,
    ),
    "zyx_int16": lambda: fitted((900 * waves(4, 16, 15) - 500).astype(np.int16), "ZYX", 2),
    "yx_float32": lambda: fitted((1e-3 * waves(24, 30) - 5e-4).astype(np.float32), "YX", 3),
    "yx_constant": lambda: fitted(np.full((17, 9), 4095, np.uint16), "YX", 1),
    "cyx_uint8_coordinate": lambda: hand_made(
        "CYX",
        (5, 9, 8),
        "uint8",
        [(0, 255), (3, 40), (7, 7), (100, 101), (20, 230)],
        brick=(2, 9, 8),
        channels="coordinate",
        meta={"channels": ["DNA", None, "c", "d", "e"], "colors": ["#0000FF", None] + [None] * 3},
    ),
    "zyx_uint16_bricks": lambda: hand_made(
        "ZYX",
        (3, 11, 13),
        "uint16",
        [(17, 65535)],
        brick=(2, 5, 6),
        width=5,
        layers=3,
        base=0.001,
        exponents=[-3, 17, -25, 8, 40],
        zero=[1],
        seed=1,
    ),
    "x_int16_omex": lambda: hand_made(
        "X", (50,), "int16", [(-32768, 32767)], width=33, layers=3, base=1e-4, extra=[omex()]
    ),
    "zyx_uint16_hybrid": lambda: coded(
        (9000 + 4000 * waves(7, 70, 83)).astype(np.uint16), "ZYX", 3000
    ),
    "tczyx_uint8_hybrid": lambda: coded(
        (120 + 80 * waves(3, 2, 4, 64, 66)).astype(np.uint8), "TCZYX", 5000, select="ssim"
    ),
    "cyx_float32_hybrid": lambda: coded(
        (3 * waves(3, 65, 64) - 1).astype(np.float32), "CYX", 2400, codec="jpeg2000"
    ),
    "cyx_uint16_hybrid_aom": lambda: coded(
        (9000 + 4000 * waves(2, 71, 90)).astype(np.uint16), "CYX", 1500, codec="aom"
    ),
    "zcyx_uint16_hybrid_packed": lambda: coded(
        (9000 + 4000 * waves(19, 2, 40, 44)).astype(np.uint16), "ZCYX", 1800, codec="av1"
    ),
    "cyx_uint8_hybrid_aom_packed": lambda: coded(
        (120 + 80 * waves(2, 71, 90)).astype(np.uint8), "CYX", 900, codec="aom"
    ),
    "yx_uint8_v2": lambda: fitted((127.5 + 120 * waves(36, 40)).astype(np.uint8), "YX", 2),
    "zyx_int16_omex_v2": lambda: hand_made(
        "ZYX",
        (3, 7, 8),
        "int16",
        [(-3000, 32767)],
        brick=(2, 7, 3),
        width=5,
        layers=3,
        extra=[omex()],
        seed=3,
    ),
    "zcyx_int32_lossless": lambda: exact(
        noisy_and_labels().astype(np.int32), "ZCYX", (2, 1, 20, 24)
    ),
    "yxc_float64_lossless": lambda: exact(
        np.stack([not_only_numbers(), waves(12, 15) > 0], -1), "YXC", (12, 8, 2)
    ),
    "cyx_float32_lossless": lambda: exact(
        np.stack([np.rint(noisy_and_labels()[0, 0] * 3), waves(20, 24) / 3 + 7]).astype(np.float32),
        "CYX",
        (1, 20, 24),
    ),
    "tzyx_bool_lossless": lambda: inif.compress(
        Image(waves(2, 3, 40, 41) > 0.3, "TZYX", _PIXELS), lossless=True
    ).to_bytes(),
    "zyx_uint16_hybrid_v2": lambda: coded(
        (9000 + 4000 * waves(6, 70, 83)).astype(np.uint16), "ZYX", 3400
    ),
    "czyx_uint16_checked": lambda: hand_made(
        "CZYX",
        (2, 3, 7, 8),
        "uint16",
        [(0, 4095), (17, 60000)],
        brick=(2, 2, 7, 8),
        width=5,
        layers=3,
        seed=4,
    ),
    "czyx_uint16_hybrid_checked": lambda: coded(
        (9000 + 4000 * waves(2, 5, 70, 83)).astype(np.uint16), "CZYX", 5600
    ),
    "cyx_float32_hybrid_outliers": lambda: coded(
        (3 * waves(2, 65, 64) - 1).astype(np.float32), "CYX", 1500, hot=[(0, 3, 3), (1, 64, 0)]
    ),
}


def main() -> None:
    manifest = json.loads(MANIFEST.read_text(encoding="utf-8")) if MANIFEST.exists() else {}
    for name, make in FILES.items():
        path, samples = HERE / f"{name}.inif", HERE / f"{name}.npy"
        if name in manifest or path.exists() or samples.exists():
            print(f"{name}: there already, left alone")
            continue
        data = make()
        with inif.open(data) as file:
            header, decoded = file.header, np.asarray(file)
        path.write_bytes(data)
        np.save(samples, decoded, allow_pickle=False)
        manifest[name] = {"sha256": hashlib.sha256(data).hexdigest(), "header": header}
        print(f"{name}: {len(data)} bytes, {decoded.shape} {decoded.dtype}, {header['field']}")
    text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True)
    MANIFEST.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
