"""How much there is to encode, how long that may take, and the slowest speed that keeps to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """What there is to encode.

    Attributes
    ----------
    voxels, raw_bytes
        Of the image.
    size
        Bytes of the file that is wanted.
    frames
        Of a stream.
    """

    voxels: int = 1 << 20
    raw_bytes: int = 1 << 21
    size: int = 1 << 14
    frames: int = 1

    def seconds(self, voxel: float, bit: float) -> float:
        """Time by a model: so many microseconds for each voxel, and for each bit of the file."""
        return (voxel * self.voxels + 8 * bit * self.size) * 1e-6


LOAD = Load()


@dataclass(frozen=True)
class Pace:
    """What an encoder's speeds cost, and what an effort of 1 to 9 may.

    Attributes
    ----------
    per_mb, floor
        Seconds by effort: for each raw megabyte, and anyway.
    slowness
        Time of each speed over that of one of them; the slowest speed has the smallest number.
    fallback
        The speed where none is fast enough.
    """

    per_mb: tuple[float, ...]
    floor: tuple[float, ...]
    slowness: Mapping[int, float]
    fallback: int

    def allowed(self, effort: int, load: Load) -> float:
        """Seconds that an effort may take."""
        return max(self.per_mb[effort - 1] * load.raw_bytes * 1e-6, self.floor[effort - 1])

    def slowest(self, usual: float, seconds: float) -> int:
        """The slowest speed within `seconds`, where a slowness of 1 takes `usual` of them."""
        fits = [speed for speed, each in self.slowness.items() if each * usual <= seconds]
        return min(fits, default=self.fallback)
