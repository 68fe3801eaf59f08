"""The paper's own hybrid: a pure field, fitted to what the codec left, and added to its picture.

The section holds a whole `.inif` of that field, with bricks of its own. See docs/format.md,
"A field for the rest".
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np

from inif.decode.file import File, open_file
from inif.errors import FormatError

FEATURE = "residual/1"
KIND = b"RESF"


class Residual:
    """What is added to the outputs of a hybrid's codec.

    Raises
    ------
    FormatError
        The section holds something else than a field for this image.
    """

    def __init__(self, data: bytes, axes: str, shape: tuple[int, ...], *, file: object) -> None:
        self.data = data
        self.file: File = open_file(data)
        got = (self.file.axes, self.file.shape, self.file.dtype.name, "codec" in self.file.header)
        if got != (axes, shape, "float32", False):
            raise FormatError(
                "the field for the rest does not fit the image",
                file=file,
                field="section RESF",
                expected=f"a field of axes {axes}, shape {shape}, float32",
                got=f"axes {got[0]}, shape {got[1]}, {got[2]}{', a hybrid' if got[3] else ''}",
            )

    def in_dtype(self, dtype: type[np.floating[Any]]) -> Residual:
        """The same in another arithmetic."""
        other = copy(self)
        other.file = File(self.file.container, dtype)
        return other

    def plane(self, where: Mapping[str, int], y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Values to add at rows `y` and columns `x` of the image's plane: (len(y), len(x))."""
        spans = {"Y": slice(y.min(), y.max() + 1), "X": slice(x.min(), x.max() + 1)}
        key: list[Any] = [spans.get(axis, where.get(axis)) for axis in self.file.axes]
        whole: np.ndarray = self.file[tuple(key)]
        if self.file.axes.index("X") < self.file.axes.index("Y"):
            whole = whole.T
        return whole[np.ix_(y - y.min(), x - x.min())]
