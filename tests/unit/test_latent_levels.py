"""What of a latent field is read and decoded: overviews cost coarse grids only."""

from __future__ import annotations

import io
from functools import cache
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_latent import smooth

import inif
import inif.latent.plan
from inif.container import Section, open_container, pack
from inif.errors import FormatError
from inif.latent.decoder import Decoder
from inif.latent.plan import Plan
from inif.latent.sections import COARSE, FINE, packed, streams_of, unpacked
from inif.latent.stream import Coder, Pass, Rates
from inif.latent.tables import load
from inif.latent.transform import analyse, synthesise

BRICKS = 6


@cache
def several() -> bytes:
    """A file of some bricks."""
    with patch("inif.latent.layout.MOST_VOXELS", 4 * 96 * 96):
        file = inif.compress(smooth((4, 190, 280)), axes="ZYX", method="latent", ratio=12)
    assert len(file.grid) == BRICKS
    return file.to_bytes()


class Noted(io.BytesIO):
    """A file object that notes which bytes are asked for."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.ranges: list[tuple[int, int]] = []

    def read(self, size: int | None = -1, /) -> bytes:
        begin = self.tell()
        data = super().read(size)
        self.ranges.append((begin, begin + len(data)))
        return data


def sections(data: bytes) -> list[Section]:
    with open_container(data) as container:
        return [Section(s.kind, container.read(s), s.brick, s.level) for s in container.sections]


def test_an_overview_is_one_read_of_coarse_sections() -> None:
    with open_container(several()) as container:
        coarse = [s for s in container.sections if s.kind == COARSE]
        fine = [s for s in container.sections if s.kind == FINE]
    assert [s.brick for s in coarse] == [s.brick for s in fine] == list(range(BRICKS))
    padding = bytes(5000)  # the first read of a file takes 4 KiB, so as to have its index
    with open_container(several()) as container:
        header = container.header
    data = pack(header, [Section(b"fill", padding, 0), *sections(several())])
    source = Noted(data)
    with inif.open(source) as file:
        opened = len(source.ranges)
        seen = file.preview(35)
    assert seen.shape == (4, 24, 35)
    (begin, end), *others = source.ranges[opened:]
    assert not others
    assert end - begin == sum(s.length for s in coarse)
    np.testing.assert_array_equal(seen, inif.open(several()).preview(35))


def test_a_brick_is_read_alone() -> None:
    source = Noted(several())
    with inif.open(source) as file:
        opened = len(source.ranges)
        _ = file[:, -1, -1]
        own = [s for s in file.container.sections if s.brick == BRICKS - 1]
    assert sum(e - b for b, e in source.ranges[opened:]) <= sum(s.length for s in own)


def test_coarse_streams_may_lie_with_the_others() -> None:
    with open_container(several()) as container:
        header = container.header
    parts = sections(several())
    coarse = {s.brick: s.data for s in parts if s.kind == COARSE}
    merged = []
    for section in parts:
        if section.kind == FINE:
            with inif.open(several()) as file:
                count = len(file.brick(section.brick).streams)  # type: ignore[attr-defined]
            few = count - 3
            streams = unpacked(coarse[section.brick], 0, few)
            streams += unpacked(section.data, 8, count - few)
            merged.append(Section(FINE, section.data[:8] + packed(streams), section.brick))
    file, other = inif.open(several()), inif.open(pack(header, merged))
    np.testing.assert_array_equal(other[...], file[...])
    for size in (50, 140):
        np.testing.assert_array_equal(other.preview(size), file.preview(size))
    assert inif.verify(other.to_bytes())["exact"]


@pytest.mark.parametrize("kind", [COARSE, FINE])
def test_a_damaged_section_is_named(kind: bytes) -> None:
    parts = [s for s in sections(several()) if s.kind in (COARSE, FINE)]
    with open_container(several()) as container:
        header = container.header
    cut = [Section(s.kind, s.data[:3] if s.kind == kind else s.data, s.brick) for s in parts]
    with pytest.raises(FormatError, match=f"section {kind.decode()}, brick 0"):
        _ = inif.open(pack(header, cut))[...]


def test_a_strided_selection_has_the_samples_of_the_image() -> None:
    file = inif.open(several())
    np.testing.assert_array_equal(file[..., ::8, ::8], np.asarray(file)[..., ::8, ::8])


@cache
def repaired(axes: str) -> tuple[bytes, np.ndarray]:
    """A file of one brick with repair, and its samples."""
    shape = {"C": 2, "T": 3, "Z": 9 if len(axes) < 4 else 4, "Y": 46, "X": 51}
    data = smooth(tuple(shape[a] for a in axes))
    file = inif.compress(data, axes=axes, method="latent", ratio=12, effort=2)
    assert any(file.header["field"]["gains"])
    return file.to_bytes(), np.asarray(file)


@given(st.sampled_from(["YX", "CYX", "ZYX", "TZYX", "ZYXC"]), st.data())
def test_a_part_is_computed_as_in_the_whole(axes: str, data: st.DataObject) -> None:
    content, whole = repaired(axes)
    key = []
    for n in whole.shape:
        first = data.draw(st.integers(0, n - 1))
        last, step = data.draw(st.integers(first + 1, n)), data.draw(st.sampled_from([1, 3, -1]))
        key.append(slice(first, last, step) if step > 0 else slice(last, first or None, step))
    wanted = whole[tuple(key)]
    np.testing.assert_array_equal(inif.open(content)[tuple(key)], wanted)


def test_a_brick_is_computed_whole_once_that_is_cheaper() -> None:
    content, whole = repaired("ZYX")
    file = inif.open(content)
    brick = file.brick(0)
    kept = []
    for k in range(40):
        np.testing.assert_array_equal(file[k % 9, k], whole[k % 9, k])
        kept.append(brick._whole is not None)  # type: ignore[attr-defined]
    assert not kept[9]
    assert kept[-1]
    assert brick._decoder is None  # type: ignore[attr-defined]


def test_a_file_of_one_brick_has_one_section() -> None:
    file = inif.compress(smooth((60, 70)), axes="YX", method="latent", ratio=10)
    assert [s.kind for s in sections(file.to_bytes())].count(COARSE) == 0


def test_streams_as_a_section() -> None:
    assert unpacked(packed([]), 0, 0) == ()
    streams = (b"abc", b"", b"d" * 300)
    assert unpacked(b"12" + packed(streams), 2, 3) == streams
    with pytest.raises(ValueError, match="bytes"):
        unpacked(packed(streams)[:4], 0, 3)


def test_levels_have_a_stream_each() -> None:
    file = inif.open(several())
    plan = file.bricks._plan(0)  # type: ignore[attr-defined]
    assert streams_of(plan) == 1 + len(plan.grids)
    assert streams_of(plan, 99) == 1


# ---- parts of the finest level ----------------------------------------------------------------


def sized(*sizes: int) -> Plan:
    c, t, z, y, x = sizes
    return Plan((c, t, z, y, x), (0, 0, 2))


@pytest.mark.parametrize(
    ("sizes", "count", "axis"),
    [
        ((1, 1, 1, 900, 900), 1, 3),
        ((1, 1, 1, 1100, 1000), 2, 3),
        ((1, 1, 1, 2048, 1024), 4, 3),
        ((1, 1, 32, 256, 256), 2, 2),
        ((1, 20, 16, 96, 96), 2, 1),
        ((1, 8, 9, 256, 256), 4, 3),
        ((3, 1, 1, 900, 900), 4, 3),
    ],
)
def test_large_finest_levels_are_cut(sizes: tuple[int, ...], count: int, axis: int) -> None:
    plan = sized(*sizes)
    *coarse, fine = plan.grids
    assert all(len(grid.parts) == 1 for grid in coarse)
    assert len(fine.parts) == count
    assert streams_of(plan) == len(coarse) + 1 + count
    for band in fine.bands:
        seen = np.zeros(band.sizes, int)
        for part in fine.parts:
            assert all(part.where[band.key][i] == slice(None) for i in range(5) if i != axis)
            seen[part.where[band.key]] += 1
        assert (seen == 1).all()


@pytest.mark.parametrize("sizes", [(1, 1, 1, 60, 70), (2, 1, 33, 20, 24), (1, 18, 3, 20, 24)])
def test_parts_are_decoded_as_they_were_coded(
    monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, ...]
) -> None:
    monkeypatch.setattr("inif.latent.bands._PARTS", ((1, 4),))
    monkeypatch.setattr("inif.latent.bands._PART_ROWS", 8)
    monkeypatch.setattr("inif.latent.bands._SLAB", 1 << 10)
    inif.latent.plan._grids.cache_clear()
    plan = sized(*sizes)
    x = np.random.default_rng(0).normal(0, 9000, plan.sizes).astype(np.float32)
    coder = Coder(plan, load())
    first = coder.encode(analyse(x, plan), Rates(9000.0), writes=False)
    assert len(plan.grids[-1].parts) > 1
    pace = first.pace(0.8)
    made = Coder(plan, load()).encode(
        analyse(x, plan), Rates(9000.0), most=first.latents, pace=pace
    )
    assert sum(map(len, made.streams)) * 8 == pytest.approx(0.8 * first.bits, rel=0.25)
    decoded = Coder(plan, load()).decode(made.streams)
    for there, here in zip(decoded.levels, made.latents.levels, strict=True):
        for key, values in here.items():
            np.testing.assert_array_equal(there[key], values)
    inif.latent.plan._grids.cache_clear()


def test_large_stacks_are_cut_at_two_levels() -> None:
    plan = Plan((1, 1, 64, 256, 512), (0, 2, 5))
    assert [len(grid.parts) for grid in plan.grids] == [1, 1, 1, 4, 8]
    assert {grid.axis for grid in plan.grids} == {2}
    coarser, fine = plan.grids[-2:]
    for part in fine.parts:
        first, last = part.cut(2)
        assert part.parents[2] == slice(first // 2, (last - 1) // 2 + 1 if last < 99 else 16)
    assert [part.cut(2)[0] for part in coarser.parts] == [0, 4, 8, 12]


@cache
def deep(levels: int) -> tuple[Plan, Pass]:
    """A stack in parts."""
    inif.latent.plan._grids.cache_clear()
    with patch("inif.latent.bands._SLAB", 1 << 11):
        plan = Plan((2, 1, 40, 20, 24), (0, levels, 2))
        assert [len(grid.parts) for grid in plan.grids][-2:] != [1, 1]
    x = np.random.default_rng(1).normal(0, 9000, plan.sizes).astype(np.float32)
    made = Coder(plan, load()).encode(analyse(x, plan), Rates(7000.0))
    inif.latent.plan._grids.cache_clear()
    return plan, made


@given(levels=st.integers(0, 2), spans=st.lists(st.tuples(st.integers(0, 39), st.integers(1, 9))))
def test_planes_need_some_parts_only(levels: int, spans: list[tuple[int, int]]) -> None:
    plan, made = deep(levels)
    whole = synthesise(made.latents.levels, made.latents.low, plan, step=7000.0)
    decoder = Decoder(plan, load(), made.streams)
    for first, count in spans:
        box = ((0, 1), (first, min(first + count, 40)), (0, 20), (0, 24))
        latents = decoder.decoded(box)
        part = synthesise(latents.levels, latents.low, plan, step=7000.0, box=box)
        np.testing.assert_array_equal(part, whole[:, :, first : first + count])
        assert count > 20 or not decoder.complete or len(spans) > 1
    latents = decoder.decoded()
    assert decoder.complete
    for there, here in zip(latents.levels, made.latents.levels, strict=True):
        for key, values in here.items():
            np.testing.assert_array_equal(there[key], values)
