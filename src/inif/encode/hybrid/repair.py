"""What the repair of a brick is told: coefficients by least squares, partners, frames.

The shipped network gives bases; an image's coefficients on them are a small linear problem, solved
on a sample of blocks. More coefficients are stated only where they are worth their bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from inif.encode.hybrid.select import Criterion
from inif.fields.neighbourhood import CORE, Blocks, Surroundings, Volume
from inif.fields.parallel import in_order, one_blas_thread
from inif.fields.repair import NO_REPAIR, STEP, Head, Network, Repair, repaired

_SIDE = 32
_REGIONS = 24
_DETAILS = 2048
_RIDGE = 1e-3
_PER_OCTAVE = 0.332
"""Relative fall of the squared error per relative growth of the file, for each decibel that a
doubling of the file gains."""


@dataclass(frozen=True)
class Pair:
    """One channel of a brick, before and after its codec.

    Attributes
    ----------
    volume
        As decoded.
    target
        (T, Z, Y, X) float32, the original in values from 0 to 1.
    """

    volume: Volume
    target: np.ndarray

    @classmethod
    def of(cls, levels: np.ndarray, peak: int, target: np.ndarray) -> Pair:
        """A channel whose error is measured, and rounded as a file states it."""
        squares = 0.0
        for decoded, original in zip(levels, target, strict=True):
            step = decoded.astype(np.float32) * np.float32(1 / peak) - original
            squares += float(np.einsum("zyx,zyx->", step, step, dtype=np.float64))
        error = Repair(Repair.code_of((squares / levels.size) ** 0.5)).error
        return cls(Volume(levels, peak, error), target)

    @property
    def mean_square(self) -> float:
        """Of the codec's error, as the file states it."""
        return self.volume.error**2


def choose(
    network: Network,
    channels: list[Pair],
    most: int,
    bytes_left: int,
    seed: int,
    octave: float = 1.0,
) -> list[Repair]:
    """The repair of each channel of a brick, with at most `most` coefficients.

    `bytes_left` is the size of the streams, and `octave` what they gain when doubled, in dB; a
    coefficient must gain more than its byte would there.
    """
    partners = best_partners(channels, seed)
    total = sum(c.mean_square for c in channels)
    price = _PER_OCTAVE * octave * total / max(bytes_left, 1)
    out = []
    for channel, partner in zip(channels, partners, strict=True):
        other = None if partner is None else channels[partner].volume
        with one_blas_thread():
            stated = _fit(network, channel, other, most, price, seed)
        code = Repair.code_of(channel.volume.error)
        idle = Repair(code, active=False)
        out.append(idle if stated is None else Repair(code, partner, stated))
    return out


def best_partners(channels: list[Pair], seed: int) -> list[int | None]:
    """For each channel the one whose decoded detail tells most about its original detail."""
    if len(channels) < 2:
        return [None]
    rng = np.random.default_rng(seed)
    times, depths, height, width = channels[0].target.shape
    side = min(6, height, width)
    ends = (times, depths, height - side + 1, width - side + 1)
    corner = [rng.integers(0, n, _DETAILS) for n in ends]
    dy, dx = (v.ravel() for v in np.mgrid[:side, :side])
    where = (
        corner[0][:, None],
        corner[1][:, None],
        corner[2][:, None] + dy,
        corner[3][:, None] + dx,
    )

    def detail(array: np.ndarray, scale: float) -> np.ndarray:
        values: np.ndarray = array[where].astype(np.float32) * np.float32(scale)
        values -= values.mean(axis=1, keepdims=True)
        return values

    decoded = [detail(c.volume.levels, 1 / c.volume.peak) for c in channels]
    partners: list[int | None] = []
    for i, channel in enumerate(channels):
        original = detail(channel.target, 1.0)
        told = []
        for j, other in enumerate(decoded):
            both = np.einsum("nk,nk->n", original, other)
            power = np.einsum("nk,nk->n", other, other) + side**2 * channels[j].mean_square
            told.append(-1.0 if i == j else float((both * both / power).sum()))
        partners.append(int(np.argmax(told)))
    return partners


def regions(shape: tuple[int, ...], count: int, seed: int) -> Iterator[tuple[int, int, Blocks]]:
    """Random rectangles of blocks of a (T, Z, Y, X) volume, whole samples only: t, z, blocks."""
    rng = np.random.default_rng(seed)
    rows, columns = (max(1, n // 2) for n in shape[2:])
    for _ in range(count):
        t, z = (int(rng.integers(n)) for n in shape[:2])
        top, left = (int(rng.integers(max(1, n - _SIDE + 1))) for n in (rows, columns))
        yield t, z, Blocks(top, min(top + _SIDE, rows), left, min(left + _SIDE, columns))


def sampled(
    channel: Pair, partner: Volume | None, region: tuple[int, int, Blocks]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs (INPUTS, N), units √(error · unit) (N,), and what is missing (4, N), in values."""
    t, z, blocks = region
    x, unit = Surroundings.of(channel.volume, partner, t, z, blocks).inputs(blocks)
    here = channel.volume.window(t, z, blocks)
    plane = channel.target[t, z]
    missing = np.empty((4, x.shape[1]), np.float32)
    for sample, (dy, dx) in enumerate(CORE):
        rows = np.minimum(2 * np.arange(blocks.top, blocks.bottom) + dy, plane.shape[0] - 1)
        columns = np.minimum(2 * np.arange(blocks.left, blocks.right) + dx, plane.shape[1] - 1)
        missing[sample] = (plane[np.ix_(rows, columns)] - here.tap(dy, dx)).ravel()
    return x, np.sqrt(unit * np.float32(channel.volume.error)), missing


def damped(gram: np.ndarray) -> np.ndarray:
    """A Gram matrix (size, size) that can be solved even where its bases are alike."""
    size = len(gram)
    out: np.ndarray = gram + np.eye(size) * (_RIDGE * np.trace(gram) / max(size, 1) + 1e-15)
    return out


def _fit(
    network: Network,
    channel: Pair,
    partner: Volume | None,
    most: int,
    price: float,
    seed: int,
) -> tuple[int, ...] | None:
    """The coefficients to state, or None where no repair pays."""
    k = network.bases
    gram, right, power, count = np.zeros((k, k)), np.zeros(k), 0.0, 0
    for region in regions(channel.target.shape, _REGIONS, seed):
        x, unit, missing = sampled(channel, partner, region)
        bases = network.basis_values(x) * unit
        flat = bases.transpose(1, 0, 2).reshape(k, -1)
        gram += flat @ flat.T
        right += flat @ missing.ravel()
        power += float(np.einsum("sn,sn->", missing, missing))
        count += missing.size
    gram, right = gram / count, right / count
    turned = network.spread.T @ gram @ network.spread
    left = network.spread.T @ (right - gram @ network.mean)

    def gain(a: np.ndarray) -> float:
        return float(2 * a @ right - a @ gram @ a)

    best: tuple[float, tuple[int, ...]] | None = None
    for size in range(min(most, k) + 1):
        exact = np.linalg.solve(damped(turned[:size, :size]), left[:size])
        stated = np.clip(np.rint(exact / STEP), -127, 127).astype(np.int64)
        net = gain(network.coefficients(stated).astype(np.float64)) - price * (size + 3)
        if net > 0 and (best is None or net > best[0]):
            best = net, tuple(stated.tolist())
    return best and best[1]


def keep_or_drop(
    network: Network,
    channels: list[Pair],
    repairs: list[Repair],
    better: Criterion,
    origin: Mapping[str, int],
) -> list[Repair]:
    """The repairs with the frames left plain that are better without.

    `origin` is the place of the channels' first sample in the image, by the letters of its axes.
    """
    out = []
    for c, (channel, repair) in enumerate(zip(channels, repairs, strict=True)):
        if not repair.active:
            out.append(repair)
            continue
        partner = None if repair.partner is None else channels[repair.partner].volume
        head = network.head(np.array(repair.stated))
        times, depths = channel.target.shape[:2]
        plain = set()
        for (t, z), after in _repaired_frames(head, channel, partner):
            before = channel.volume.levels[t, z].astype(np.float32)
            before *= np.float32(1 / channel.volume.peak)
            place = {a: n + origin.get(a, 0) for a, n in zip("CTZ", (c, t, z), strict=True)}
            if better(channel.target[t, z], before, after, {**origin, **place}):
                plain.add(t * depths + z)
        none = len(plain) == times * depths
        idle = Repair(repair.error_code, active=False)
        out.append(idle if none else replace(repair, plain=frozenset(plain)))
    return out


def _repaired_frames(
    head: Head, channel: Pair, partner: Volume | None
) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """The place (t, z) of each frame and the frame repaired, values from 0 to 1."""
    times, depths, height, width = channel.target.shape
    y, x = np.arange(height), np.arange(width)

    def frame(place: tuple[int, int]) -> np.ndarray:
        whole: np.ndarray = repaired(head, channel.volume, partner, *place, y, x).clip(0, 1)
        return whole

    places = [(t, z) for t in range(times) for z in range(depths)]
    return zip(places, in_order(frame, places), strict=True)


def without_idle(repairs: list[Repair]) -> list[Repair]:
    """The repairs without the errors of channels that neither have one nor help another."""
    helpers = {r.partner for r in repairs if r.active}
    return [r if r.active or c in helpers else NO_REPAIR for c, r in enumerate(repairs)]
