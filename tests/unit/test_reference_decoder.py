"""The decoder written from docs/format.md alone agrees with inif: the page tells all of it."""

from __future__ import annotations

import ast
import re
import runpy
import struct
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from arithmetic import round_otherwise
from hypothesis import given
from hypothesis import strategies as st

import inif
from inif.coding import entropy, models, qweights
from inif.coding.check import Check
from inif.decode.check import little_endian
from inif.decode.file import File
from inif.decode.hybrid import HybridBrick
from inif.errors import FormatError

pytestmark = pytest.mark.numerical

TESTS = Path(__file__).parents[1]
SOURCE = TESTS / "reference" / "decoder.py"
PAGE = TESTS.parent / "docs" / "format.md"
FILES = sorted((TESTS / "golden").glob("*.inif"))
EXACT = [p for p in FILES if p.stem.startswith("lossless")]
GOLDEN = [p for p in FILES if p.stem.startswith("siren")]
HYBRIDS = [p for p in FILES if p.stem == "hybrid_av1_zyx_uint16"]
reference = runpy.run_path(str(SOURCE))
checks = runpy.run_path(str(TESTS / "reference" / "checks.py"))
hand_made = runpy.run_path(str(TESTS / "golden" / "make.py"))["hand_made"]

CASES: dict[str, dict[str, Any]] = {
    "X": {"axes": "X", "shape": (23,), "dtype": "uint8", "ranges": [(3, 250)]},
    "one sample": {"axes": "YX", "shape": (1, 1), "dtype": "int16", "ranges": [(-9, 9)]},
    "YX float32": {"axes": "YX", "shape": (9, 12), "dtype": "float32", "ranges": [(-0.1, 7e3)]},
    "YX bricks": {
        "axes": "YX",
        "shape": (11, 13),
        "dtype": "uint16",
        "ranges": [(0, 65535)],
        "brick": (5, 4),
    },
    "ZYX wide": {
        "axes": "ZYX",
        "shape": (2, 5, 6),
        "dtype": "int16",
        "ranges": [(-32768, 32767)],
        "width": 40,
        "layers": 3,
    },
    "XCY outputs": {
        "axes": "XCY",
        "shape": (7, 3, 5),
        "dtype": "uint16",
        "ranges": [(0, 4095), (5, 5), (100, 65535)],
        "brick": (4, 3, 5),
    },
    "YCX coordinate": {
        "axes": "YCX",
        "shape": (4, 5, 6),
        "dtype": "uint8",
        "ranges": [(0, 255), (1, 2), (0, 0), (7, 90), (0, 100)],
        "brick": (3, 2, 6),
        "channels": "coordinate",
    },
    "only C, outputs": {
        "axes": "C",
        "shape": (4,),
        "dtype": "uint16",
        "ranges": [(0, 60000)] * 4,
    },
    "TCZYX": {
        "axes": "TCZYX",
        "shape": (2, 2, 3, 5, 4),
        "dtype": "float32",
        "ranges": [(-1e-6, 1e-6), (1e6, 1e6 + 50)],
        "brick": (2, 2, 2, 3, 4),
        "layers": 7,
    },
}


def agree(data: bytes) -> None:
    """Symbols are equal; samples are equal, or next to each other where rounding says so."""
    ours, theirs = inif.open(data), reference["Decoder"](data)
    shapes = reference["group_shapes"](ours.header)
    for brick in range(len(ours.grid)):
        quantized, _ = ours.bricks.section(brick)
        steps, groups = reference["read_symbols"](theirs.sections["QWTS", brick], shapes)
        assert steps == [float(qweights.step(quantized.base, k)) for k in quantized.exponents]
        for symbols, group in zip(quantized.symbols, groups, strict=True):
            assert symbols.ravel().tolist() == [q for row in group for q in row]
        for weights, group in zip(quantized.weights(), theirs.brick_weights(brick), strict=True):
            assert weights.ravel().tolist() == [w for row in group for w in row]
    close(ours, np.asarray(ours), np.array(theirs.samples()).reshape(ours.shape))
    last = tuple(n - 1 for n in ours.shape)
    assert theirs[last] == np.array(theirs.samples()).reshape(ours.shape)[last]


def close(file: File, ours: np.ndarray, theirs: np.ndarray) -> None:
    if file.dtype.kind != "f":
        difference = np.abs(ours.astype(np.int64) - theirs.astype(np.int64))
        assert difference.max() <= 1
        span = float(np.ptp(np.array(file.header["range"]), axis=1).max())
        assert (difference > 0).mean() <= round_otherwise(2e-5 * span, ours.size)
        return
    c = file.axes.find("C")
    span = np.diff(np.array(file.header["range"]), axis=1)[:, 0]
    span = span.reshape([-1 if i == c else 1 for i in range(file.ndim)])
    allowed = 1e-5 * span + 2 * np.spacing(np.abs(ours))
    assert (np.abs(ours.astype(np.float64) - theirs) <= allowed).all()


@pytest.mark.parametrize("name", CASES)
def test_hand_made_files_agree(name: str) -> None:
    agree(hand_made(**CASES[name]))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_files_agree(path: Path) -> None:
    agree(path.read_bytes())


@pytest.mark.parametrize("path", EXACT, ids=lambda path: path.stem)
def test_files_of_exact_samples_agree(path: Path) -> None:
    exact = runpy.run_path(str(SOURCE.with_name("exact.py")))
    header, bricks = exact["read"](path.read_bytes())
    with inif.open(path) as ours:
        assert header == ours.header
        assert len(bricks) == len(ours.grid)
        for number, samples in enumerate(bricks):
            assert samples == ours.brick_samples(number).tobytes()


def test_a_compressed_file_agrees(compressed: Any) -> None:
    agree(compressed.file.read_bytes())


def test_the_decoder_needs_the_standard_library_only() -> None:
    text = SOURCE.read_text(encoding="utf-8")
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module))
    assert names <= sys.stdlib_module_names
    assert text.count("\n") < 300


@given(st.integers(1, 8191), st.integers(0, 255), st.integers(0, 255))
def test_models_agree(bound: int, linear: int, square: int) -> None:
    table = models.frequencies(models.ModelSpec(bound, linear, square))
    assert table.tolist() == reference["frequencies"](bound, linear, square)
    assert int(table.sum()) == 1 << 24
    assert int(table.min()) >= 1


@given(
    st.lists(
        st.tuples(
            st.integers(0, 12),
            st.integers(0, 255),
            st.integers(0, 255),
            st.lists(st.integers(-12, 12), max_size=30),
        ),
        max_size=5,
    )
)
def test_streams_agree(groups: list[tuple[int, int, int, list[int]]]) -> None:
    arrays = [np.clip(np.array(s, np.int64), -k, k) for k, _, _, s in groups]
    specs = [models.ModelSpec(k, a, b) for k, a, b, _ in groups]
    data = entropy.encode(arrays, specs)
    stream = reference["Stream"](data)
    decoded = entropy.decode(data, [a.size for a in arrays], specs)
    for array, spec, again in zip(arrays, specs, decoded, strict=True):
        assert array.tolist() == again.tolist()
        if spec.bound:
            table = reference["frequencies"](spec.bound, spec.linear, spec.square)
            assert stream.symbols(array.size, spec.bound, table) == array.tolist()
    assert stream.state == 0
    assert not stream.words


@pytest.mark.parametrize("count", [1, 100, 3000])
def test_symbols_that_cost_nothing_are_decoded(count: int) -> None:
    shapes = [(2, 1), (2, 2), (count, 2), (2, 2), (count,)]
    weights = [np.zeros(shape, np.float32) for shape in shapes]
    weights[-1][:] = -5  # the lowest symbol leads from the empty state to itself
    data = qweights.pack(qweights.quantize(weights, 1.0, [0] * 5), Check())
    assert len(data) == qweights.fixed_bytes(5)
    back, _ = qweights.unpack(data, shapes, file="x", brick=0)
    assert (back.symbols[-1] == -5).all()
    pairs = [(s[0], s[1] if len(s) == 2 else 1) for s in shapes]
    assert reference["read_symbols"](data, pairs)[1][-1] == [[-5]] * count


@pytest.mark.parametrize("base", [0.0, -1.0, 2.0**-65, 2.0**65, 3e38, np.nan, np.inf])
def test_a_base_beyond_its_limits_is_refused(base: float) -> None:
    data = struct.pack("<Iff", 0, 0.0, base) + struct.pack("<bHBB", 127, 0, 0, 0)
    with pytest.raises(FormatError, match="base step"):
        qweights.unpack(data, [(1,)], file="x", brick=0)
    with pytest.raises(ValueError, match="base"):
        reference["read_symbols"](data, [(1, 1)])


def test_the_page_gives_the_numbers_of_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    bits = re.findall(r"\| bits \|(.*)\|", text)[0]
    found = [int(word, 16) for word in re.findall(r"`([0-9A-F]{8})`", bits)]
    assert found == qweights._EIGHTHS.view(np.uint32).tolist()
    assert found == np.array(reference["EIGHTHS"], np.float32).view(np.uint32).tolist()
    assert np.array_equal(qweights._EIGHTHS, np.float32(2.0 ** (np.arange(8) / 8)))
    assert "2²⁰ + 64 per byte of coded symbols" in text
    assert (qweights.FREE_WEIGHTS, qweights.WEIGHTS_PER_BYTE) == (2**20, 64)
    assert (qweights.SMALLEST_BASE, qweights.LARGEST_BASE) == (2.0**-64, 2.0**64)


def test_the_page_s_example_stream_decodes() -> None:
    text = PAGE.read_text(encoding="utf-8")
    words = re.findall(r"the stream `([0-9a-f ]+)`", text)[0]
    stream = reference["Stream"](bytes.fromhex(words))
    assert f"`{stream.state:X}`" in text
    tables = [reference["frequencies"](3, 160, 150), reference["frequencies"](1, 168, 0)]
    for table in tables:
        assert f"f = {' '.join(map(str, table))}\n" in text
    first, second = stream.symbols(16, 3, tables[0]), stream.symbols(4, 1, tables[1])
    for symbols in (first, second):
        assert f"`{' '.join(map(str, symbols))}`".replace("-", "−") in text
    assert (stream.state, stream.words) == (0, [])


@pytest.mark.parametrize("name", CASES)
def test_the_page_tells_the_checks_of_fields(name: str) -> None:
    data = hand_made(**CASES[name])
    ours, theirs = inif.open(data), reference["Decoder"](data)
    for brick in range(len(ours.grid)):
        weights = [w for rows in theirs.brick_weights(brick) for row in rows for w in row]
        stated = struct.unpack_from("<II", theirs.sections["QWTS", brick])
        content = struct.pack(f"<{len(weights)}f", *weights)
        assert stated[1] == checks["digest"](theirs.header, brick, content)
        samples = little_endian(ours.brick_samples(brick))
        assert stated[0] == reference["crc32c"](samples)


@pytest.mark.parametrize("path", HYBRIDS, ids=lambda path: path.stem)
def test_the_page_tells_the_checks_of_hybrids(path: Path) -> None:
    with inif.open(path) as file:
        brick = cast(HybridBrick, file.brick(0))
        frames, channels = brick.frames, len(brick.streams)
        content = b"".join(brick.volume(c).astype("<u2").tobytes() for c in range(channels))
        section = file.container.read(file.container.require(b"CODE", 0))
        repairs = b"".join(repair.pack(frames) for repair in brick.repairs)
        assert repairs in section
        stated = struct.unpack_from("<II", section)
        assert stated[1] == checks["digest"](file.header, 0, content + repairs)
        assert stated[0] == reference["crc32c"](file.brick_samples(0).astype("<u2").tobytes())
