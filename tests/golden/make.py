"""Makes golden files: only those that are not there yet, never one again (README.md).

python tests/golden/make.py
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import warnings
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import inif
from inif.bricks import BrickGrid
from inif.coding import qweights
from inif.coding.check import Check
from inif.config import Window
from inif.container.padding import padded
from inif.container.writer import Section, pack, packed_size
from inif.decode.brick import FieldBricks
from inif.decode.check import check_of, little_endian
from inif.decode.hybrid import HybridBricks
from inif.encode.lossless import lossless_section
from inif.errors import RemarkWarning
from inif.fields.siren import Siren
from inif.image import Channel, Image, Metadata
from inif.latent.layout import MOST_VOXELS

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
    more: int = 0,
) -> bytes:
    """A file with random weights, without any fit, padded by so many bytes.

    Groups in `zero` are all 0.
    """
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
        size = packed_size(header, [*extra, *sections]) + more
        return padded(header, [*extra, *sections], Window(size, size)).to_bytes()

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


def hybrid(data: np.ndarray, axes: str, size: int, **options: Any) -> bytes:
    """A hybrid of an image with some noise, as `inif.compress` makes it."""
    options = {"method": "hybrid", "effort": 1, **options}
    return inif.compress(Image(noisy(data), axes), size=size, **options).to_bytes()


def latent(
    data: np.ndarray,
    axes: str,
    size: int | None = None,
    *,
    psnr: float | None = None,
    brick: int = MOST_VOXELS,
    hot: Sequence[tuple[int, ...]] = (),
    meta: Metadata | None = None,
) -> bytes:
    """A latent field of an image with some noise, in bricks of at most so many voxels.

    The samples at some places are -9999.
    """
    data = noisy(data)
    for place in hot:
        data[place] = -9999
    image = Image(data, axes, meta or Metadata())
    with patch("inif.latent.layout.MOST_VOXELS", brick):
        return inif.compress(image, size=size, psnr=psnr, method="latent", effort=1).to_bytes()


def bounded(data: np.ndarray, axes: str, bound: float, *, brick: int = MOST_VOXELS) -> bytes:
    """A file of which no sample is off by more than a bound."""
    with patch("inif.latent.layout.MOST_VOXELS", brick):
        return inif.compress(Image(data, axes), max_error=bound, effort=1).to_bytes()


def noisy(data: np.ndarray) -> np.ndarray:
    """Samples with noise of a fiftieth of their range, of their own type."""
    noise = np.random.default_rng(0).normal(0, 0.02 * np.ptp(data.astype(float)), data.shape)
    return (data + noise).astype(data.dtype)


def with_gaps(data: np.ndarray) -> np.ndarray:
    """The same samples, and some that are no numbers."""
    data = noisy(data)
    data.flat[[3, 40, 41]] = (np.nan, np.inf, -np.inf)
    return data


def exact(data: np.ndarray, axes: str, brick: Sequence[int]) -> bytes:
    """A file of the very samples, in bricks of this shape."""
    grid = BrickGrid(data.shape, tuple(brick))
    header: dict[str, Any] = {
        "axes": axes,
        "shape": list(data.shape),
        "dtype": data.dtype.name,
        "range": ranges(data, axes),
        "brick": list(brick),
        "field": {"kind": "none"},
        "lossless": {"codecs": ["jpegxl", "zstd"]},
        "requires": ["lossless/1"],
    }
    parts = enumerate(data[grid.slices(b)] for b in range(len(grid)))
    return pack(header, [lossless_section(part, header, b, 3) for b, part in parts])


def ranges(data: np.ndarray, axes: str) -> list[list[Any]]:
    """The lowest and the highest finite sample of each channel."""
    c = axes.find("C")
    channels = np.moveaxis(data, c, 0) if c >= 0 else data[None]
    finite = [channel[np.isfinite(channel)] for channel in channels]
    return [[values.min().item(), values.max().item()] for values in finite]


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

U8, U16, I16, F32 = np.uint8, np.uint16, np.int16, np.float32

FILES: dict[str, Callable[[], bytes]] = {
    # Pure fields.
    "siren_yx_uint8": lambda: fitted((127.5 + 120 * waves(40, 36)).astype(U8), "YX", 2),
    "siren_zyx_uint16": lambda: fitted(
        (1000 + 400 * waves(5, 18, 16)).astype(U16), "ZYX", 3, _PIXELS
    ),
    "siren_tzcyx_uint16": lambda: fitted(
        (30000 + 20000 * waves(3, 2, 2, 12, 11)).astype(U16), "TZCYX", 3
    ),
    "siren_zyx_int16": lambda: fitted((900 * waves(4, 16, 15) - 500).astype(I16), "ZYX", 2),
    "siren_yx_float32": lambda: fitted((1e-3 * waves(24, 30) - 5e-4).astype(F32), "YX", 3),
    "siren_yx_constant": lambda: fitted(np.full((17, 9), 4095, U16), "YX", 1),
    "siren_tzcyx_uint16_outputs": lambda: hand_made(
        "TZCYX",
        (2, 3, 3, 7, 8),
        "uint16",
        [(100, 4095), (0, 65535), (328, 694)],
        brick=(1, 3, 3, 4, 8),
        width=8,
        layers=7,
        seed=2,
    ),
    "siren_cyx_uint8_coordinate": lambda: hand_made(
        "CYX",
        (5, 9, 8),
        "uint8",
        [(0, 255), (3, 40), (7, 7), (100, 101), (20, 230)],
        brick=(2, 9, 8),
        channels="coordinate",
        meta={"channels": ["DNA", None, "c", "d", "e"], "colors": ["#0000FF", None] + [None] * 3},
    ),
    "siren_zyx_uint16_bricks": lambda: hand_made(
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
    "siren_x_int16_omex": lambda: hand_made(
        "X", (50,), "int16", [(-32768, 32767)], width=33, layers=3, base=1e-4, extra=[omex()]
    ),
    "siren_yx_uint8_blanks": lambda: hand_made("YX", (9, 8), "uint8", [(0, 255)], more=3),
    "siren_yx_uint8_fill": lambda: hand_made("YX", (9, 8), "uint8", [(0, 255)], more=300),
    # Hybrids, of every codec.
    "hybrid_av1_zyx_uint16": lambda: hybrid(
        (9000 + 4000 * waves(7, 70, 83)).astype(U16), "ZYX", 3000
    ),
    "hybrid_av1_tczyx_uint8": lambda: hybrid(
        (120 + 80 * waves(3, 2, 4, 64, 66)).astype(U8), "TCZYX", 5000
    ),
    "hybrid_av1_zcyx_uint16": lambda: hybrid(
        (9000 + 4000 * waves(19, 2, 40, 44)).astype(U16), "ZCYX", 1800
    ),
    "hybrid_av1_yx_uint16_residual": lambda: hybrid(
        (9000 + 4000 * waves(64, 66)).astype(U16), "YX", 2500, share=0.5
    ),
    "hybrid_hevc_zyx_uint16": lambda: hybrid(
        (9000 + 4000 * waves(5, 70, 83)).astype(U16), "ZYX", 3000, codec="hevc"
    ),
    "hybrid_jpeg2000_cyx_float32": lambda: hybrid(
        (3 * waves(3, 65, 64) - 1).astype(F32), "CYX", 2400, codec="jpeg2000"
    ),
    "hybrid_htj2k_yx_uint8": lambda: hybrid(
        (120 + 80 * waves(66, 70)).astype(U8), "YX", 1500, codec="htj2k"
    ),
    "hybrid_jpegxl_yx_uint16": lambda: hybrid(
        (9000 + 4000 * waves(66, 70)).astype(U16), "YX", 1500, codec="jpegxl"
    ),
    "hybrid_avif_cyx_uint8": lambda: hybrid(
        (120 + 80 * waves(2, 66, 70)).astype(U8), "CYX", 1800, codec="avif"
    ),
    "hybrid_sperr_zyx_int16": lambda: hybrid(
        (900 * waves(9, 40, 44) - 500).astype(I16), "ZYX", 3000, codec="sperr"
    ),
    # Latent fields, of two to five axes.
    "latent_yx_uint8": lambda: latent((120 + 80 * waves(130, 97)).astype(U8), "YX", 900),
    "latent_zyx_uint16": lambda: latent(
        (9000 + 4000 * waves(9, 70, 83)).astype(U16), "ZYX", 2500, meta=_PIXELS
    ),
    "latent_tyx_int16": lambda: latent((900 * waves(12, 50, 61) - 500).astype(I16), "TYX", 2000),
    "latent_czyx_uint16": lambda: latent(
        (9000 + 4000 * waves(2, 4, 40, 44) * [[[[1]]], [[[4]]]]).astype(U16), "CZYX", psnr=30
    ),
    "latent_tczyx_uint8": lambda: latent(
        (120 + 80 * waves(4, 2, 4, 40, 33)).astype(U8), "TCZYX", 5000
    ),
    "latent_tz_float32": lambda: latent((3 * waves(60, 90) - 1).astype(F32), "TZ", 900),
    "latent_yx_uint16_bricks": lambda: latent(
        (9000 + 4000 * waves(200, 230)).astype(U16), "YX", 3000, brick=96 * 96
    ),
    "latent_yxc_float32_outliers": lambda: latent(
        (3 * waves(90, 70, 2) - 1).astype(F32), "YXC", 1500, hot=[(0, 3, 0), (64, 0, 1)]
    ),
    "latent_yx_uint8_parts": lambda: latent((120 + 80 * waves(1024, 1024)).astype(U8), "YX", 4000),
    # Latent fields within a bound.
    "bounded_zyx_uint16": lambda: bounded(
        noisy((9000 + 4000 * waves(4, 50, 61)).astype(U16)), "ZYX", 200
    ),
    "bounded_cyx_int32_bricks": lambda: bounded(
        noisy((900 * waves(2, 110, 61) - 500).astype(np.int32)), "CYX", 40, brick=96 * 96
    ),
    "bounded_yx_float32_gaps": lambda: bounded(
        with_gaps((3 * waves(60, 70) - 1).astype(F32)), "YX", 0.05
    ),
    # Exact files.
    "lossless_zcyx_int32": lambda: exact(
        noisy_and_labels().astype(np.int32), "ZCYX", (2, 1, 20, 24)
    ),
    "lossless_yxc_float64": lambda: exact(
        np.stack([not_only_numbers(), waves(12, 15) > 0], -1), "YXC", (12, 8, 2)
    ),
    "lossless_cyx_float32": lambda: exact(
        np.stack([np.rint(noisy_and_labels()[0, 0] * 3), waves(20, 24) / 3 + 7]).astype(F32),
        "CYX",
        (1, 20, 24),
    ),
    "lossless_yx_uint64": lambda: exact(
        (2**60 + 1000 * waves(20, 24)).astype(np.uint64), "YX", (20, 24)
    ),
    "lossless_tzyx_bool": lambda: inif.compress(
        Image(waves(2, 3, 40, 41) > 0.3, "TZYX", _PIXELS), lossless=True
    ).to_bytes(),
}


def digests(file: inif.File) -> dict[str, str]:
    """SHA-256 of what of a file is the same on every machine.

    "coded" is of the float32 weights of a pure field, or of the levels of a codec whose standard
    leaves nothing open; "samples" of the samples, where they are the same too.
    """
    bricks, coded = file.bricks, hashlib.sha256()
    if isinstance(bricks, FieldBricks):
        for brick in range(len(file.grid)):
            for group in bricks.open(brick).weights:
                coded.update(group.astype("<f4").tobytes())
        return {"coded": coded.hexdigest()}
    if isinstance(bricks, HybridBricks):
        if not bricks.spec.codec.exact:
            return {}
        for brick in range(len(file.grid)):
            opened = bricks.open(brick)
            for channel in range(len(opened.streams)):
                coded.update(opened.volume(channel).astype("<i4").tobytes())
        return {"coded": coded.hexdigest()}
    return {"samples": hashlib.sha256(little_endian(np.asarray(file))).hexdigest()}


def main() -> None:
    manifest = json.loads(MANIFEST.read_text(encoding="utf-8")) if MANIFEST.exists() else {}
    warnings.simplefilter("ignore", RemarkWarning)
    failed = []
    for name, make in FILES.items():
        path, samples = HERE / f"{name}.inif", HERE / f"{name}.npy"
        if name in manifest or path.exists() or samples.exists():
            print(f"{name}: there already, left alone")
            continue
        try:
            data = make()
            with inif.open(data) as file:
                header, decoded, stated = file.header, np.asarray(file), digests(file)
                kinds = sorted({section.kind.decode() for section in file.container.sections})
        except Exception as error:  # the others can still be made
            failed.append(name)
            print(f"{name}: NOT MADE, {type(error).__name__}: {error}")
            continue
        path.write_bytes(data)
        if "samples" not in stated:
            np.save(samples, decoded, allow_pickle=False)
        manifest[name] = {"sha256": hashlib.sha256(data).hexdigest(), "header": header, **stated}
        print(f"{name}: {len(data)} bytes, {kinds}, {header['field']}")
        text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True)
        MANIFEST.write_text(text + "\n", encoding="utf-8")
    if failed:
        sys.exit(f"not made: {', '.join(failed)}")


if __name__ == "__main__":
    main()
