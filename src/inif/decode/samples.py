"""Samples of the bricks of a file: what is asked for is computed, the last bricks are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock
from typing import Any

import numpy as np

from inif.axes import Selection
from inif.bricks import BrickGrid, Piece
from inif.decode.chunks import ChunkCache
from inif.decode.contract import Brick, Bricks, Coarse
from inif.fields.parallel import in_order

_CACHE_BYTES = 256 << 20
"""Memory that bricks take which are kept, the one that is in use aside; see `Samples.most`."""


class Samples:
    """Samples of an image, brick by brick, before outliers are put in. Threads may share it.

    Parameters
    ----------
    bricks, grid
        Of the file.
    dtype
        Of the image.
    arithmetic
        What bricks are evaluated in, by default their own.
    most
        Bytes of the bricks that are kept, the one that is in use aside.
    """

    def __init__(
        self,
        bricks: Bricks,
        grid: BrickGrid,
        dtype: np.dtype[Any],
        arithmetic: type[np.floating[Any]] | None = None,
        most: int = _CACHE_BYTES,
    ) -> None:
        self.bricks, self.grid, self.dtype = bricks, grid, dtype
        self._arithmetic, self.most = arithmetic, most
        self._kept: OrderedDict[int, Brick] = OrderedDict()
        self._lock, self._looking = Lock(), Lock()

    def in_dtype(self, dtype: type[np.floating[Any]]) -> Samples:
        """The same in another arithmetic; samples are still of the image's dtype."""
        return Samples(self.bricks, self.grid, self.dtype, dtype)

    def brick(self, brick: int) -> Brick:
        """A brick ready to be evaluated; the last ones are kept, as far as memory allows."""
        with self._lock:
            if brick in self._kept:
                self._kept.move_to_end(brick)
                return self._kept[brick]
            opened = self.bricks.open(brick)
            if self._arithmetic is not None:
                opened = opened.in_dtype(self._arithmetic)
            self._kept[brick] = opened
            while sum(b.nbytes for b in self._kept.values()) > self.most and len(self._kept) > 1:
                self._kept.popitem(last=False)
            return opened

    def whole(self, brick: int) -> np.ndarray:
        """All samples of one brick, in the brick's shape."""
        return self.brick(brick).grid([np.arange(n) for n in self.grid.extent(brick)])

    def read(self, selection: Selection) -> np.ndarray:
        """Samples of a selection, of its full shape (no axis is dropped)."""
        out = np.empty(selection.full_shape, self.dtype)

        def put(piece: Piece) -> None:
            out[piece.out] = self.brick(piece.brick).grid(piece.local)

        workers = None if isinstance(self.bricks, Coarse) else 1  # others have threads of their own
        for _ in in_order(put, list(self.grid.pieces(selection)), workers=workers):
            pass
        return out

    def overview(self, selection: Selection, skip: int, kept: ChunkCache) -> np.ndarray:
        """Every 2**skip-th row and column of a part, from coarse grids: of its full shape.

        Parameters
        ----------
        selection
            Of these rows and columns, from one that is a multiple of 2**skip.
        kept
            Keeps what whole bricks look like, as ("overview", skip, brick).
        """
        coarse, pieces = self.bricks, list(self.grid.pieces(selection))
        assert isinstance(coarse, Coarse)
        with self._looking:  # whoever comes second finds what the first has left
            found = {p.brick: kept.peek(("overview", skip, p.brick)) for p in pieces}
            missing = [brick for brick, seen in found.items() if seen is None]
            for brick, made in zip(missing, coarse.overviews(missing, skip), strict=True):
                found[brick] = kept.put(("overview", skip, brick), made)
        out = np.empty(selection.full_shape, self.dtype)
        for piece in pieces:
            local = [
                n >> skip if r.step == 1 << skip else n
                for n, r in zip(piece.local, selection.ranges, strict=True)
            ]
            seen = found[piece.brick]
            assert seen is not None
            out[piece.out] = seen[np.ix_(*local)]
        return out

    def at(self, where: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
        """What the bricks have at valid positions (N, D), as `Brick.points` says: (N,) of dtype."""
        out = np.empty(len(where), dtype)
        for brick, rows, local in self._by_brick(where):
            out[rows] = self.brick(brick).points(local)
        return out

    def _by_brick(self, where: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """The bricks of positions, which rows are in each, and these within the brick."""
        bricks, local = self.grid.locate(where)
        order = np.argsort(bricks, kind="stable")
        runs = np.split(order, np.flatnonzero(np.diff(bricks[order])) + 1)
        for rows in runs if order.size else []:
            yield int(bricks[rows[0]]), rows, local[rows]
