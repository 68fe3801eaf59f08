"""The repair of a hybrid: symmetric, local, bounded, and the same in parts as in the whole."""

from __future__ import annotations

import numpy as np
import pytest
from arithmetic import tolerance
from hypothesis import given
from hypothesis import strategies as st

from inif.fields.neighbourhood import COLUMNS, INPUTS, Blocks, Surroundings, Volume, mirrored
from inif.fields.repair import NETWORKS, Network, Repair, load_network, repaired

pytestmark = pytest.mark.numerical

A, B, K = 3, 2, 5


def network(seed: int = 0) -> Network:
    """Random weights, as large as trained ones."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.2, shape).astype(np.float32)

    return Network(
        normal(INPUTS, A), normal(A), normal(4, A, B), normal(B), normal(4, B, K),
        normal(INPUTS, K), normal(K), normal(K), normal(K, K),
    )  # fmt: skip


def volume(shape: tuple[int, ...] = (2, 4, 20, 26), seed: int = 1) -> Volume:
    levels = np.random.default_rng(seed).integers(0, 1024, shape).astype(np.uint16)
    return Volume(levels, 1023, 0.05)


def inputs(
    own: Volume, partner: Volume | None, t: int, z: int, blocks: Blocks
) -> tuple[np.ndarray, np.ndarray]:
    return Surroundings.of(own, partner, t, z, blocks).inputs(blocks)


def plane(net: Network, own: Volume, partner: Volume | None, t: int = 1, z: int = 2) -> np.ndarray:
    rows, columns = (np.arange(n) for n in own.levels.shape[2:])
    return repaired(net.head(np.array([3, -5])), own, partner, t, z, rows, columns)


def flipped(own: Volume, axis: int) -> Volume:
    return Volume(np.flip(own.levels, axis).copy(), own.peak, own.error)


def rounding(repaired_plane: np.ndarray, own: Volume, t: int, z: int) -> float:
    """How far two evaluations may be apart: terms of any sign add up to √n times their sum."""
    residual = repaired_plane - own.levels[t, z] / own.peak
    return tolerance(INPUTS, np.sqrt(INPUTS) * float(np.abs(residual).max()) + 1)


@pytest.mark.parametrize("axis", [2, 3])
def test_a_mirrored_image_is_repaired_alike(axis: int) -> None:
    net, own, other = network(), volume(), volume(seed=2)
    here = plane(net, own, other)
    there = plane(net, flipped(own, axis), flipped(other, axis))
    off = rounding(here, own, 1, 2)
    np.testing.assert_allclose(np.flip(there, axis - 2), here, rtol=0, atol=off)
    assert np.ptp(here - own.levels[1, 2] / 1023) > 0.01


@pytest.mark.parametrize("partner", [None, 2])
def test_a_part_equals_the_part_of_the_whole(partner: int | None) -> None:
    net, own = network(), volume((1, 3, 21, 301))
    other = None if partner is None else volume((1, 3, 21, 301), partner)
    rows, columns = np.arange(5, 17, 3), np.arange(33, 280)[::-1]
    whole = plane(net, own, other, 0, 1)
    part = repaired(net.head(np.array([3, -5])), own, other, 0, 1, rows, columns)
    off = rounding(whole, own, 0, 1)
    np.testing.assert_allclose(part, whole[np.ix_(rows, columns)], rtol=0, atol=off)


def test_bands_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    net, own = network(), volume()
    whole = plane(net, own, None)
    monkeypatch.setattr("inif.fields.repair._BAND", 20)
    off = rounding(whole, own, 1, 2)
    np.testing.assert_allclose(plane(net, own, None), whole, rtol=0, atol=off)


def by_the_page(
    net: Network, own: Volume, partner: Volume, frame: tuple[int, int], block: tuple[int, int]
) -> np.ndarray:
    """docs/format.md, "The field that repairs", sentence by sentence, for one block: (2, 2)."""

    def value(of: Volume, t: int, z: int, y: int, x: int) -> float:
        inside = []
        for index, length in zip((t, z, y, x), of.levels.shape, strict=True):
            while not 0 <= index < length:
                index = -index if index < 0 else 2 * (length - 1) - index
            inside.append(index)
        return float(of.levels[tuple(inside)]) / of.peak

    def square(of: Volume, t: int, z: int, low: int, high: int) -> np.ndarray:
        side = range(low, high + 1)
        return np.array([[value(of, t, z, 2 * by + y, 2 * bx + x) for x in side] for y in side])

    def halves(of: Volume) -> np.ndarray:
        wide = square(of, t, z, -6, 7)
        return wide.reshape(7, 2, 7, 2).mean(axis=(1, 3))

    (t, z), (by, bx) = frame, block
    near = square(own, t, z, -2, 3)
    m, n = near.mean(), np.sqrt(near.var() + own.error**2)
    x: list[float] = [*((near - m) / n).ravel(), *((halves(own) - m) / n).ravel()]
    for dt, dz, low, high in (
        *((0, d, -1, 2) for d in (-1, 1)),
        *((0, d, 0, 1) for d in (-2, 2)),
        *((d, 0, -1, 2) for d in (-1, 1)),
    ):
        x += list(np.clip((square(own, t + dt, z + dz, low, high) - m) / n, -4, 4).ravel())
    a, b = halves(own), halves(partner)
    both = np.mean((a - a.mean()) * (b - b.mean()))
    r = both / np.sqrt((a.var() + own.error**2 / 16) * (b.var() + partner.error**2 / 16))
    theirs = square(partner, t, z, -1, 2)
    x += list((r * (theirs - theirs.mean()) / np.sqrt(theirs.var() + partner.error**2)).ravel())
    x += [np.log2(n / own.error) / 2, r]
    c = net.coefficients(np.array([3, -5]))
    place = {column: i for i, column in enumerate(COLUMNS)}
    out = np.zeros((2, 2))

    def turned(i: int, f: int) -> int:
        if i >= len(COLUMNS):
            return i
        group, y, dx = COLUMNS[i]
        last = 0 if group == "half" else 1
        return place[group, last - y if f & 2 else y, last - dx if f & 1 else dx]

    h = np.zeros((4, A))
    for f in range(4):
        order = [turned(i, f) for i in range(INPUTS)]
        h[f] = np.maximum(0, net.b0 + net.w0[order].T @ np.array(x))
    for f in range(4):
        order = [turned(i, f) for i in range(INPUTS)]
        bases = net.b2 + net.v1[order].T @ np.array(x)
        for e in range(4):
            g = np.maximum(0, net.b1 + sum(net.w1[d ^ e].T @ h[d] for d in range(4)))
            bases = bases + net.v2[e ^ f].T @ g
        here = value(own, t, z, 2 * by + (f >> 1), 2 * bx + (f & 1))
        out[f >> 1, f & 1] = here + np.sqrt(own.error * n) * (c @ bases)
    return out


@pytest.mark.parametrize(
    ("frame", "block"), [((1, 2), (4, 5)), ((0, 0), (0, 12)), ((2, 4), (9, 0))]
)
def test_the_page_says_what_is_done(frame: tuple[int, int], block: tuple[int, int]) -> None:
    net, own, other = network(), volume((3, 5, 20, 26)), volume((3, 5, 20, 26), 3)
    rows, columns = (2 * b + np.arange(2) for b in block)
    ours = repaired(net.head(np.array([3, -5])), own, other, *frame, rows, columns)
    wanted = by_the_page(net, own, other, frame, block)
    off = rounding(plane(net, own, other, *frame), own, *frame)
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=off)


def test_head_and_bases_agree() -> None:
    net, own = network(), volume()
    x, unit = inputs(own, None, 1, 2, Blocks(0, 10, 0, 13))
    assert x.shape == (INPUTS, 130)
    assert (unit > 0).all()
    stated = np.array([7, 0, -9])
    mixed = np.einsum("skn,k->sn", net.basis_values(x), net.coefficients(stated))
    off = tolerance(INPUTS, np.sqrt(INPUTS) * float(np.abs(mixed).max()))
    np.testing.assert_allclose(net.head(stated).residual(x), mixed, rtol=0, atol=off)


def test_absent_neighbours_are_zeros() -> None:
    x, _ = inputs(volume((1, 1, 8, 8)), None, 0, 0, Blocks(0, 4, 0, 4))
    absent = [i for i, (g, _, _) in enumerate(COLUMNS) if g not in ("own", "half")]
    assert not x[absent].any()
    x, _ = inputs(volume((3, 2, 8, 8)), volume((3, 2, 8, 8), 5), 0, 0, Blocks(0, 4, 0, 4))
    absent = [i for i, (g, _, _) in enumerate(COLUMNS) if g in ("z-2", "z+2")]
    assert not x[absent].any()
    assert all(x[i].any() for i in range(len(COLUMNS)) if i not in absent)


def test_constant_planes_stay_finite() -> None:
    flat = Volume(np.full((1, 1, 6, 6), 9, np.uint16), 1023, 2.0**-31)
    assert np.isfinite(plane(network(), flat, flat, 0, 0)).all()


def test_mirroring() -> None:
    np.testing.assert_array_equal(
        mirrored(np.arange(-4, 9), 4), [2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2]
    )
    assert mirrored(5, 1) == 0


@given(
    st.integers(1, 255),
    st.none() | st.integers(0, 6),
    st.lists(st.integers(-128, 127), max_size=12),
    st.frozensets(st.integers(0, 18)),
)
def test_repairs_round_trip(
    code: int, partner: int | None, stated: list[int], plain: frozenset[int]
) -> None:
    assert Repair.unpack(Repair(code, active=False).pack(19), 0, 19, 7, 12)[1] == 2
    repair = Repair(code, partner, tuple(stated), plain)
    data = b"x" + repair.pack(19) + b"y"
    assert Repair.unpack(data, 1, 19, 7, 12) == (repair, len(data) - 1)
    for cut in range(1, len(data) - 1):
        with pytest.raises(ValueError, match=r"coefficients|no repair|partner"):
            Repair.unpack(data[:cut], 1, 19, 7, 12)


def test_codes_of_errors() -> None:
    assert Repair(Repair.code_of(0.01)).error == pytest.approx(0.01, rel=0.05)
    assert (Repair.code_of(0.0), Repair.code_of(9.0)) == (239, 1)


def test_what_repairs_may_not_hold() -> None:
    with pytest.raises(ValueError, match="partner 7 of 7"):
        Repair.unpack(Repair(9, 7).pack(1), 0, 1, 7, 12)
    with pytest.raises(ValueError, match="3 coefficients"):
        Repair.unpack(Repair(9, None, (1, 2, 3)).pack(1), 0, 1, 7, 2)


@pytest.mark.parametrize("name", NETWORKS)
def test_shipped_networks(name: str) -> None:
    net = load_network(name)
    assert net.w0.shape[0] == INPUTS
    assert all(np.isfinite(v).all() and v.dtype == np.float32 for v in (net.w0, net.spread, net.v1))
    assert net.coefficients(np.zeros(0)).shape == (net.bases,)
