"""Which levels of detail survive: power per octave, agreement and transfer per frequency ring.

Three figures, because each alone can be fooled:

- the *power ratio* of decoded to original falls with blur, but artefacts put power back;
- the *ring correlation* (Fourier ring correlation, Saxton & Baumeister 1982, J. Microsc. 127:127)
  falls with artefacts and lost detail, but not with blur: an image whose detail is merely fainter
  still correlates perfectly;
- the *transfer* is the part of the original's amplitude that is found again in place: it falls
  with both.

The resolution kept is therefore the frequency up to which both correlation and transfer are at
least one half. Noise has fine detail, too: that a noisy image loses high frequencies is no fault by
itself, so read these figures together with the residual (`detail.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from inif.metrics.planes import Plane, PlaneLayout

MAX_SIDE = 1024  # pixels; of larger planes the central part is used
MAX_PLANES = 16  # per channel, evenly spaced; more planes change these averages little
MIN_SIDE = 16
RINGS = 32
OCTAVES = 5
HALF = 0.5


@dataclass(frozen=True)
class Spectrum:
    """Detail kept in one channel, averaged over some of its planes.

    Attributes
    ----------
    octaves
        (lowest, highest frequency, power of decoded / power of original) per octave from fine to
        coarse; frequencies in cycles/pixel, 0.5 being the finest that pixels can show. The ratio
        is None where the original has no power.
    ring_frequency
        Upper edge of each ring, cycles/pixel.
    ring_correlation
        Fourier ring correlation of decoded and original, -1 … 1; None where there is no power.
    ring_transfer
        Re⟨decoded · original*⟩ / ⟨|original|²⟩ per ring: 1 where detail is kept in full, 0 where it
        is gone; None where the original has no power.
    resolution
        The frequency, in cycles/pixel, up to which every ring has both a correlation and a
        transfer of at least 0.5; 0.0 if not even the coarsest has.
    correlated
        The same for the correlation alone (the usual FRC resolution; blind to blur).
    planes
        How many planes were used.
    """

    octaves: tuple[tuple[float, float, float | None], ...]
    ring_frequency: tuple[float, ...]
    ring_correlation: tuple[float | None, ...]
    ring_transfer: tuple[float | None, ...]
    resolution: float
    correlated: float
    planes: int


def spectrum(original: np.ndarray, decoded: np.ndarray) -> Spectrum:
    """`Spectrum` of a single pair of planes (rows, columns), each side at least 16 pixels."""
    sums = RingSums(original.shape)
    sums.add(original, decoded)
    return sums.result()


def ring_edges(n_rings: int = RINGS) -> np.ndarray:
    """Edges of rings of equal width from 0 to 0.5 cycles/pixel, (n_rings + 1,)."""
    return np.linspace(0.0, 0.5, n_rings + 1)


def spaced(n: int) -> set[int]:
    """Numbers of up to 16 evenly spaced planes among n."""
    few = min(MAX_PLANES, n)
    return {round((i + 0.5) * n / few - 0.5) for i in range(few)}


def octave_edges(n: int = OCTAVES) -> np.ndarray:
    """Edges of octaves from fine to coarse: 0.5, 0.25, …, the last one 0; (n + 1,)."""
    return np.array([0.5 / 2**i for i in range(n)] + [0.0])


def resolution_kept(edges: np.ndarray, values: np.ndarray, threshold: float = HALF) -> float:
    """Upper edge of the last ring before the values first fall below the threshold.

    Parameters
    ----------
    edges
        (rings + 1,) cycles/pixel, ascending.
    values
        (rings,) correlation or transfer; NaN marks a ring without power, which neither ends nor
        extends the range.
    """
    kept = 0.0
    for upper, value in zip(edges[1:], values, strict=True):
        if math.isnan(value):
            continue
        if value < threshold:
            break
        kept = float(upper)
    return kept


@dataclass
class RingSums:
    """Sums of power and cross power per ring and octave, over planes of one shape."""

    shape: tuple[int, ...]
    planes: int = 0
    _rings: np.ndarray = field(init=False, repr=False)
    _octaves: np.ndarray = field(init=False, repr=False)
    _window: np.ndarray = field(init=False, repr=False)
    _weight: np.ndarray = field(init=False, repr=False)
    _ring_sums: np.ndarray = field(init=False, repr=False)
    _octave_sums: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rows, columns = (min(n, MAX_SIDE) for n in self.shape)
        n_rings = min(RINGS, min(rows, columns) // 2)
        fy = np.fft.fftfreq(rows)[:, None]
        fx = np.fft.rfftfreq(columns)[None, :]
        radius = np.sqrt(fy * fy + fx * fx).ravel()
        # Positions past the last edge (the corners, beyond 0.5) fall in one more bin, unused.
        self._rings = np.digitize(radius, ring_edges(n_rings)[1:], right=True)
        ascending = octave_edges()[::-1]
        self._octaves = np.digitize(radius, ascending[1:], right=True)
        both_signs = np.full(columns // 2 + 1, 2.0)  # rfft leaves out the negative half
        both_signs[0] = 1.0
        if columns % 2 == 0:
            both_signs[-1] = 1.0
        self._weight = np.broadcast_to(both_signs, (rows, both_signs.size)).ravel().copy()
        self._weight[0] = 0.0  # the mean
        self._window = np.hanning(rows + 2)[1:-1, None] * np.hanning(columns + 2)[None, 1:-1]
        self._ring_sums = np.zeros((3, n_rings + 1))
        self._octave_sums = np.zeros((2, OCTAVES + 1))

    def add(self, original: np.ndarray, decoded: np.ndarray) -> None:
        """Take in one pair of planes (rows, columns), any real dtype."""
        a, b = self._transform(original), self._transform(decoded)
        power_a = self._weight * (a.real**2 + a.imag**2)
        power_b = self._weight * (b.real**2 + b.imag**2)
        cross = self._weight * (a.real * b.real + a.imag * b.imag)
        for row, values in enumerate((power_a, power_b, cross)):
            self._ring_sums[row] += _sum_by(self._rings, values, self._ring_sums.shape[1])
        for row, values in enumerate((power_a, power_b)):
            self._octave_sums[row] += _sum_by(self._octaves, values, self._octave_sums.shape[1])
        self.planes += 1

    def merge(self, other: RingSums) -> None:
        """Take in all planes, of the same shape, that other sums hold."""
        self._ring_sums += other._ring_sums
        self._octave_sums += other._octave_sums
        self.planes += other.planes

    def result(self) -> Spectrum:
        """The spectrum over all planes added so far."""
        power_a, power_b, cross = self._ring_sums[:, :-1]
        floor = 1e-20 * max(float(self._ring_sums[:2].max()), 1e-300)  # rounding, not signal
        usable = (power_a > floor) & (power_b > floor)
        norm = np.sqrt(power_a) * np.sqrt(power_b)
        rings = np.full(power_a.shape, np.nan)
        rings[usable] = np.clip(cross[usable] / norm[usable], -1.0, 1.0)
        rings[(power_a > floor) & ~usable] = 0.0
        transfer = np.full(power_a.shape, np.nan)
        transfer[power_a > floor] = cross[power_a > floor] / power_a[power_a > floor]
        edges = ring_edges(rings.size)
        high = octave_edges()
        octaves = []
        for i in range(OCTAVES):
            a, b = (float(v) for v in self._octave_sums[:, OCTAVES - 1 - i])
            octaves.append((float(high[i + 1]), float(high[i]), b / a if a > floor else None))
        return Spectrum(
            octaves=tuple(octaves),
            ring_frequency=tuple(float(e) for e in edges[1:]),
            ring_correlation=tuple(None if math.isnan(v) else float(v) for v in rings),
            ring_transfer=tuple(None if math.isnan(v) else float(v) for v in transfer),
            resolution=resolution_kept(edges, np.minimum(rings, transfer)),
            correlated=resolution_kept(edges, rings),
            planes=self.planes,
        )

    def _transform(self, plane: np.ndarray) -> np.ndarray:
        rows, columns = self._window.shape
        top, left = (plane.shape[0] - rows) // 2, (plane.shape[1] - columns) // 2
        part = plane[top : top + rows, left : left + columns].astype(np.float64)
        part -= (part * self._window).sum() / self._window.sum()
        part *= self._window
        transformed: np.ndarray = np.fft.rfft2(part).ravel()
        return transformed


class SpectrumAccumulator:
    """`Spectrum` per channel from evenly spaced planes; fed plane by plane."""

    def __init__(self, lay: PlaneLayout) -> None:
        self.note = lay.unfit(MIN_SIDE, "a spectrum")
        self._slots = lay.slot_shape
        self._channel_slot = lay.channel_slot
        per_channel = math.prod(lay.slot_shape) // lay.n_channels
        self._wanted = spaced(per_channel)
        self._sums = (
            [RingSums(lay.plane_shape) for _ in range(lay.n_channels)]
            if (self.note is None)
            else []
        )

    def add(self, plane: Plane) -> None:
        """Take in one plane, if it is among those wanted."""
        if self._sums and self._number(plane.slot) in self._wanted:
            self._sums[plane.channel].add(plane.original, plane.decoded)

    def result(self) -> list[Spectrum] | None:
        """One `Spectrum` per channel, or None: `note` says why."""
        return [s.result() for s in self._sums] or None

    def _number(self, slot: tuple[int, ...]) -> int:
        """Running number of a plane within its channel."""
        number = 0
        for i, (k, n) in enumerate(zip(slot, self._slots, strict=True)):
            if i != self._channel_slot:
                number = number * n + k
        return number


def _sum_by(groups: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    return np.bincount(groups, weights=values, minlength=n)[:n]
