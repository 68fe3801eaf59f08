"""Which bricks a file has: what all kinds of them can do, and the right kind for a header."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from inif.bricks import BrickGrid
from inif.coding.check import Check
from inif.container.reader import Container
from inif.container.spec import CORRECTIONS, LOSSLESS
from inif.decode.brick import FieldBricks, Intensities
from inif.errors import UnsupportedError


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


def bricks_of(
    container: Container, grid: BrickGrid, intensities: Intensities, device: str | None
) -> Bricks:
    """The bricks of a file, by its kind; codecs are imported only for files that need them."""
    header = container.header
    if device is not None and (LOSSLESS in header["requires"] or not _pure(header)):
        raise UnsupportedError(
            "only pure fields are evaluated on a device",
            file=container.name,
            field="device",
            got=f"a file of another method, and device {device!r}",
            fix="open it without a device",
        )
    if LOSSLESS in container.header["requires"]:
        from inif.decode.lossless import LosslessBricks

        return LosslessBricks(container, grid, np.dtype(container.header["dtype"]))
    if container.header["field"]["kind"] == "latent":
        if CORRECTIONS in container.header["requires"]:
            from inif.decode.corrections import CorrectedBricks

            return CorrectedBricks(container, grid, intensities)
        from inif.decode.latent import LatentBricks

        return LatentBricks(container, grid, intensities)
    if _pure(container.header):
        return FieldBricks(container, grid, intensities, device)
    from inif.decode.hybrid import HybridBricks

    return HybridBricks(container, grid, intensities)


def _pure(header: Mapping[str, Any]) -> bool:
    """Whether a file that is not lossless is a pure field: networks alone."""
    return "codec" not in header and header["field"]["kind"] != "latent"
