"""Bytes shared out between planes or channels at one slope, for codecs whose own knob cannot.

Some encoders aim at a PSNR or a rate in each picture. The same PSNR everywhere wastes bytes on the
noisy ones; a sum of squared errors is smallest for its bytes where one more byte gains as much in
every part (Shoham & Gersho 1988). So each part is coded at a few settings, and the slope becomes
the knob.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

_FINE = 400


@dataclass(frozen=True)
class PartCurve:
    """What one plane or channel costs and loses over an encoder's setting.

    Attributes
    ----------
    settings
        (n,) values of the setting, by ascending size.
    sizes
        (n,) bytes.
    errors
        (n,) sums of squared errors over the channel's range.
    """

    settings: np.ndarray
    sizes: np.ndarray
    errors: np.ndarray

    @classmethod
    def measure(
        cls, settings: Sequence[float], code: Callable[[float], tuple[int, float]]
    ) -> PartCurve:
        """Code a part at every setting; `code` gives bytes and squared error."""
        pairs = [code(value) for value in settings]
        sizes = np.maximum.accumulate(np.array([p[0] for p in pairs], np.float64))
        errors = np.minimum.accumulate(np.array([p[1] for p in pairs], np.float64))
        return cls(np.array(settings, np.float64), sizes, errors)

    def at_slope(self, slope: float) -> float:
        """The setting at which errors + slope · bytes is smallest, or one between measured ones.

        Between two settings of the lower convex hull the answer would jump; it is moved through
        instead, so that every size can be met.
        """
        place = np.linspace(0, len(self.settings) - 1, _FINE)
        known = np.arange(len(self.settings))
        sizes = np.exp2(np.interp(place, known, np.log2(self.sizes)))
        errors = np.exp2(np.interp(place, known, np.log2(np.maximum(self.errors, 1e-12))))
        hull = _lower_hull(sizes, errors)
        if len(hull) < 2:
            return float(self.settings[0])
        slopes = -np.diff(errors[hull]) / np.diff(sizes[hull])
        edges = np.log([2 * slopes[0], *slopes, slopes[-1] / 2])
        middles = (edges[:-1] + edges[1:]) / 2
        at = np.interp(-np.log(slope), -middles, place[hull])
        return float(np.interp(at, known, self.settings))


def _lower_hull(x: np.ndarray, y: np.ndarray) -> list[int]:
    """Indices of the lower convex hull of points with x and -y ascending, as far as y falls."""
    hull: list[int] = []
    for i in range(len(x)):
        if hull and (x[i] <= x[hull[-1]] or y[i] >= y[hull[-1]]):
            continue
        while len(hull) > 1:
            a, b = hull[-2], hull[-1]
            if (y[b] - y[a]) * (x[i] - x[a]) < (y[i] - y[a]) * (x[b] - x[a]):
                break
            hull.pop()
        hull.append(i)
    return hull
