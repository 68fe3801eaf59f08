"""Chunks of an array: coded alone, by steps in counts, and read without what the array knows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import inif
from inif.container.writer import Section, assemble
from inif.decode.chunk import FEATURES, known, open_chunk
from inif.decode.verify import verified
from inif.encode.chunk import ChunkCoder, Encoded
from inif.encode.latent.plan import part_of
from inif.errors import FormatError, InputError, UnsupportedError
from inif.image import BOUNDED_DTYPES, DTYPES, LOSSLESS_DTYPES

SHAPE = (2, 40, 56)


def samples(shape: tuple[int, ...], dtype: str, *, noise: float = 4.0, seed: int = 0) -> np.ndarray:
    """Something smooth with noise, from 0 to 100 about."""
    rng = np.random.default_rng(seed)
    wave = np.indices(shape).sum(axis=0) / 7
    found = 50 + 40 * np.sin(wave) + rng.normal(0, noise, shape)
    if np.dtype(dtype).kind == "b":
        return np.asarray(found > 50)
    return np.rint(found.clip(0, 100)).astype(dtype) if dtype[-1] != "4" else found.astype(dtype)


def decoded(made: Encoded, axes: str, like: np.ndarray) -> np.ndarray:
    out: np.ndarray = open_chunk(made.data, axes, like.shape, like.dtype)[...]
    return out


@pytest.mark.parametrize("dtype", LOSSLESS_DTYPES)
def test_exact_chunks(dtype: str) -> None:
    chunk = samples(SHAPE, dtype)
    made = ChunkCoder("ZYX", dtype, lossless=True).encode(chunk)
    np.testing.assert_array_equal(decoded(made, "ZYX", chunk), chunk)
    assert made.worst == 0
    assert made.exact is None


@pytest.mark.parametrize("dtype", DTYPES)
def test_chunks_by_steps(dtype: str) -> None:
    chunk = samples(SHAPE, dtype)
    made = ChunkCoder("ZYX", dtype, steps=(12.0,)).encode(chunk)
    found = decoded(made, "ZYX", chunk)
    assert found.dtype == dtype
    errors = found.astype(np.float64) - chunk
    np.testing.assert_allclose(made.squares, [np.square(errors).sum()])
    assert made.worst == pytest.approx(np.abs(errors).max())
    assert 0 < np.sqrt(np.square(errors).mean()) < 12 / 2
    assert (made.low, made.high) == (chunk.min(), chunk.max())
    assert len(made.data) < chunk.nbytes / 2


@pytest.mark.parametrize("dtype", ["int8", "uint16", "float64"])
def test_bounded_chunks(dtype: str) -> None:
    assert dtype in BOUNDED_DTYPES
    chunk = samples(SHAPE, dtype)
    made = ChunkCoder("ZYX", dtype, max_error=3).encode(chunk)
    errors = decoded(made, "ZYX", chunk).astype(np.float64) - chunk
    assert made.worst == np.abs(errors).max() <= 3
    np.testing.assert_allclose(made.squares, [np.square(errors).sum()])


@given(
    order=st.permutations("TCZYX"),
    count=st.integers(1, 5),
    lengths=st.lists(st.sampled_from([1, 2, 5, 9]), min_size=5, max_size=5),
    dtype=st.sampled_from(["uint8", ">u2", "int16", ">f4"]),
)
def test_chunks_of_any_axes(order: list[str], count: int, lengths: list[int], dtype: str) -> None:
    axes = "".join(order[:count])
    chunk = samples(tuple(lengths[: len(axes)]), dtype)
    made = ChunkCoder(axes, dtype, steps=(20.0,)).encode(chunk)
    found = decoded(made, axes, chunk)
    assert found.dtype == chunk.dtype.newbyteorder("=")
    errors = np.square(found.astype(np.float64) - chunk)
    c = axes.find("C")
    others = tuple(i for i in range(chunk.ndim) if i != c)
    np.testing.assert_allclose(made.squares, np.atleast_1d(errors.sum(axis=others)), rtol=1e-9)


def test_equal_steps_give_equal_errors_whatever_the_range() -> None:
    """Noise on nothing, on structures, and beside a sample that is far from all others."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 30, (64, 64))
    y, x = np.mgrid[:64, :64]
    flat = 500 + noise
    steep = 20000 + 15000 * np.sin(y / 20) * np.cos(x / 30) + noise
    odd = flat.copy()
    odd[5, 5] = 65535
    coder = ChunkCoder("YX", "uint16", steps=(40.0,))
    roots = []
    for chunk in (flat, steep, odd):
        made = coder.encode(chunk.astype(np.uint16))
        roots.append(float(np.sqrt(made.squares[0] / chunk.size)))
    assert max(roots) < 1.15 * min(roots)


def test_finer_steps_and_stretch_change_what_a_chunk_takes() -> None:
    chunk = samples((4, 96, 96), "uint16", noise=8)
    coder = ChunkCoder("ZYX", "uint16", steps=(16.0,))
    one = coder.chunk(chunk)
    size, squares = one.trial()
    made = one.encode()
    assert len(made.data) == pytest.approx(size, rel=0.02)
    np.testing.assert_allclose(made.squares, squares)
    assert made.data == coder.encode(chunk).data
    finer = one.encode(octaves=1.0)
    assert 1.3 < len(finer.data) / len(made.data) < 3
    assert finer.squares[0] < made.squares[0] / 2
    assert finer.data == ChunkCoder("ZYX", "uint16", steps=(8.0,)).encode(chunk).data
    for stretch in (0.92, 1.08):
        assert len(one.encode(stretch=stretch).data) == pytest.approx(
            stretch * len(made.data), rel=0.03
        )


def test_a_chunk_depends_on_nothing_but_its_samples() -> None:
    """However many threads there are, and whatever was coded before."""
    coder = ChunkCoder("CYX", "uint16", steps=(8.0, 16.0))
    chunks = [samples((2, 48, 50), "uint16", seed=i) for i in range(6)]
    alone = [ChunkCoder("CYX", "uint16", steps=(8.0, 16.0)).encode(c).data for c in chunks]
    with ThreadPoolExecutor(4) as pool:
        together = [made.data for made in pool.map(coder.encode, chunks[::-1])]
    assert together[::-1] == alone


def test_channels_have_steps_of_their_own() -> None:
    chunk = samples((2, 64, 64), "uint16", noise=10)
    chunk[1] = chunk[0]
    squares = ChunkCoder("CYX", "uint16", steps=(10.0, 40.0)).encode(chunk).squares
    assert squares[1] > 4 * squares[0]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda chunk: np.full_like(chunk, 7), "same"),
        (lambda chunk: np.where(chunk > 80, np.nan, chunk), "no finite"),
        (lambda chunk: np.where(chunk > 80, np.inf, chunk), "no finite"),
        (lambda chunk: np.full_like(chunk, np.nan), "no finite"),
        (lambda chunk: chunk * np.float32(1e9), "too fine"),
    ],
)
def test_what_cannot_be_coded_by_steps_is_exact(change: Any, why: str) -> None:
    chunk = change(samples(SHAPE, "float32"))
    made = ChunkCoder("ZYX", "float32", steps=(10.0,)).encode(chunk)
    assert made.exact is not None
    assert why in made.exact
    np.testing.assert_array_equal(decoded(made, "ZYX", chunk), chunk)
    assert made.squares == 0
    assert np.isfinite([made.low, made.high]).all()


def test_samples_far_from_all_others_are_kept_apart_where_the_steps_need_it() -> None:
    chunk = samples(SHAPE, "float32")
    chunk[0, 3, 3] = 1e12
    made = ChunkCoder("ZYX", "float32", steps=(10.0,)).encode(chunk)
    found = decoded(made, "ZYX", chunk)
    assert made.exact is None
    assert found[0, 3, 3] == chunk[0, 3, 3]
    assert np.delete(np.abs(found - chunk), 3 * SHAPE[2] + 3).max() < 20


def test_parts_are_those_of_the_whole() -> None:
    chunk = samples((6, 70, 90), "uint16")
    made = ChunkCoder("ZYX", "uint16", steps=(10.0,)).encode(chunk)
    whole = decoded(made, "ZYX", chunk)
    file = open_chunk(made.data, "ZYX", chunk.shape, "uint16")
    np.testing.assert_array_equal(file[3], whole[3])
    np.testing.assert_array_equal(file[2:5, 10:30, 80:], whole[2:5, 10:30, 80:])


def test_the_payload_says_nothing_that_the_array_knows() -> None:
    chunk = samples(SHAPE, "uint16")
    made = ChunkCoder("ZYX", "uint16", steps=(10.0,)).encode(chunk)
    header = open_chunk(made.data, "ZYX", chunk.shape, "uint16").header
    assert header.keys() == {"axes", "shape", "dtype", "range", "field", "requires"}
    cropped = ChunkCoder("ZYX", "uint16", steps=(10.0,)).chunk(chunk[:1], chunk.shape).encode()
    assert open_chunk(cropped.data, "ZYX", chunk.shape, "uint16").shape == (1, *SHAPE[1:])
    with pytest.raises(FormatError, match="shape"):
        inif.open(made.data)


def test_chunks_are_verified_as_files_are() -> None:
    chunk = samples(SHAPE, "uint16")
    for way in ({"steps": (10.0,)}, {"max_error": 4}, {"lossless": True}):
        made = ChunkCoder("ZYX", "uint16", **way).encode(chunk)
        found = verified(open_chunk(made.data, "ZYX", SHAPE, "uint16"))
        assert (found["ok"], found["exact"]) == (True, True)


def test_damaged_chunks_are_refused() -> None:
    chunk = samples(SHAPE, "uint16")
    data = ChunkCoder("ZYX", "uint16", steps=(10.0,)).encode(chunk).data
    for end in (0, 1, 8, 20, 60, len(data) - 1):
        with pytest.raises(FormatError):
            open_chunk(data[:end], "ZYX", chunk.shape, "uint16")
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(data), 40).tolist():
        hurt = bytearray(data)
        hurt[at] ^= 0xFF
        with pytest.raises((FormatError, UnsupportedError)):
            open_chunk(bytes(hurt), "ZYX", chunk.shape, "uint16")[...]


@pytest.mark.parametrize(
    "declared",
    [
        {"shape": [1 << 20, 1 << 10, 1 << 10]},
        {"shape": [2, 40, 57]},
        {"shape": [2, 40]},
        {"axes": "TYX"},
        {"dtype": "uint8"},
        {"brick": [1, 1, 1]},
    ],
)
def test_a_chunk_that_declares_other_samples_is_refused(declared: dict[str, Any]) -> None:
    """Before anything is allocated."""
    chunk = samples(SHAPE, "uint16")
    data = ChunkCoder("ZYX", "uint16", steps=(10.0,)).encode(chunk).data
    file = open_chunk(data, "ZYX", chunk.shape, "uint16")
    held = file.container
    sections = [Section(s.kind, held.read(s), s.brick, s.level) for s in held.sections]
    header = {k: v for k, v in file.header.items() if k in ("range", "field", "requires")}
    stated = known("ZYX", SHAPE, np.dtype("uint16"))
    if len(declared.get("shape", SHAPE)) != len(SHAPE):
        header["axes"] = "YX"
    forged = assemble(header | declared, sections, supported=FEATURES, known=stated).to_bytes()
    with pytest.raises(FormatError, match=r"does not belong|lacks bricks"):
        open_chunk(forged, "ZYX", SHAPE, "uint16")


def test_what_is_asked_for_is_checked() -> None:
    for wrong in ({}, {"steps": (1.0,), "lossless": True}, {"steps": (0.0,)}, {"steps": ()}):
        with pytest.raises(InputError):
            ChunkCoder("YX", "uint16", **wrong)
    with pytest.raises(InputError, match="exactly"):
        ChunkCoder("YX", "uint32", steps=(1.0,))
    with pytest.raises(InputError, match="fewer steps"):
        ChunkCoder("CX", "uint8", steps=(1, 2)).encode(np.zeros((3, 9), np.uint8))
    with pytest.raises(InputError, match="axes"):
        ChunkCoder("YY", "uint8", lossless=True)
    with pytest.raises(InputError, match="not of the array"):
        ChunkCoder("YX", "uint8", lossless=True).encode(np.zeros((2, 2), np.uint16))


def test_several_bricks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk of more voxels than a brick may have."""
    import inif.latent.layout as layout

    monkeypatch.setattr(layout, "MOST_VOXELS", 1 << 13)
    chunk = samples((4, 64, 96), "uint16")
    coder = ChunkCoder("ZYX", "uint16", steps=(10.0,))
    made = coder.encode(chunk)
    file = open_chunk(made.data, "ZYX", chunk.shape, "uint16")
    assert len(file.grid) > 1
    errors = np.square(file[...].astype(np.float64) - chunk).sum()
    np.testing.assert_allclose(made.squares, [errors])
    np.testing.assert_allclose(coder.trial(chunk)[1], [errors], rtol=0.05)


def test_part_of_a_chunk_is_bounded() -> None:
    assert part_of(np.zeros((1, 1, 8, 512, 512), np.float32), 1 << 17).size <= 1 << 17
