"""What bricks can do, be they of pure fields, hybrids, latent fields or exact files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from inif.coding.check import Check


class Brick(Protocol):
    """A brick ready to be evaluated."""

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        ...

    @property
    def opaque(self) -> bool:
        """Whether a codec's own arithmetic, which nothing here can repeat, has a part in them."""
        ...

    def inputs(self) -> Iterable[bytes]:
        """What its samples follow from besides the header, the same on every machine."""
        ...

    def in_dtype(self, dtype: type[np.floating[Any]]) -> Brick:
        """The brick in an arithmetic of its own, its samples not rounded to whole numbers."""
        ...

    def grid(self, local: Sequence[np.ndarray]) -> np.ndarray:
        """Samples at the grid of local positions, (n1, …) in the image's axes and dtype."""
        ...

    def points(self, local: np.ndarray) -> np.ndarray:
        """Outputs in [-1, 1] at (N, D) local positions: (N,) float32.

        Of a file that stores its samples exactly, or within a bound: these, at positions that are
        whole numbers.
        """
        ...


class Bricks(Protocol):
    """What a kind of file makes its bricks from."""

    def open(self, brick: int) -> Brick:
        """A brick ready to be evaluated."""
        ...

    def check(self, brick: int) -> Check:
        """The encoder's check of a brick's decode."""
        ...


@runtime_checkable
class Coarse(Protocol):
    """Bricks that have coarse grids."""

    def overviews(self, bricks: Sequence[int], skip: int) -> Iterator[np.ndarray]:
        """Of every 2**skip rows and columns of bricks one, from their first: the image's dtype."""
        ...
