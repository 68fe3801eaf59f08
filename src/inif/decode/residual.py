"""The paper's own hybrid: a pure field, fitted to what the codec left, and added to its picture.

The section holds a whole `.inif` of that field, with bricks of its own. See docs/format.md,
"Residual fields".
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np

from inif.axes import select
from inif.bricks import BrickGrid
from inif.container.reader import open_container
from inif.decode import apart
from inif.decode.brick import FieldBricks, Intensities
from inif.decode.samples import Samples
from inif.errors import FormatError

FEATURE = "residual/1"
KIND = b"RESF"


class Rest:
    """What is added to the outputs of a hybrid's codec.

    Raises
    ------
    FormatError
        The section holds something else than a field for this image.
    """

    def __init__(self, data: bytes, axes: str, shape: tuple[int, ...], *, file: object) -> None:
        self.data = data
        container = open_container(data)
        header = container.header
        own: str = header["axes"]
        pure = "codec" not in header and container.find(apart.KIND) is None
        got = (own, tuple(header["shape"]), header["dtype"], pure)
        if got != (axes, shape, "float32", True):
            raise FormatError(
                "the field for the rest does not fit the image",
                file=file,
                field="section RESF",
                expected=f"a pure field of axes {axes}, shape {shape}, float32",
                got=f"axes {got[0]}, shape {got[1]}, {got[2]}{'' if pure else ', a hybrid'}",
            )
        self._axes, dtype = axes, np.dtype(np.float32)
        grid = BrickGrid(shape, tuple(header.get("brick", shape)))
        intensities = Intensities(np.array(header["range"], np.float64), dtype)
        self._samples = Samples(FieldBricks(container, grid, intensities), grid, dtype)

    def in_dtype(self, dtype: type[np.floating[Any]]) -> Rest:
        """The same in another arithmetic."""
        other = copy(self)
        other._samples = self._samples.in_dtype(dtype)
        return other

    def plane(self, where: Mapping[str, int], y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Values to add at rows `y` and columns `x` of the image's plane: (len(y), len(x))."""
        spans = {"Y": slice(y.min(), y.max() + 1), "X": slice(x.min(), x.max() + 1)}
        key: list[Any] = [spans.get(axis, where.get(axis)) for axis in self._axes]
        selection = select(tuple(key), self._samples.grid.shape)
        whole = self._samples.read(selection).reshape(selection.shape)
        if self._axes.index("X") < self._axes.index("Y"):
            whole = whole.T
        return whole[np.ix_(y - y.min(), x - x.min())]
