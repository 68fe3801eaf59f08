"""Planes of a file as the chunks of a dask array, in this process or in others."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from inif.errors import MissingExtraError

_SIDE = 4096
"""Of a chunk, at most."""

Reopen = Callable[..., "Readable"]


class Readable(Protocol):
    """A file as far as dask needs it."""

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __getitem__(self, key: Any) -> Any: ...

    def __reduce__(self) -> tuple[Reopen, tuple[Any, ...]]: ...


def dask_of(file: Readable, brick: tuple[int, ...]) -> Any:
    """A dask array of a file with bricks of such lengths.

    Raises
    ------
    MissingExtraError
        dask is not installed.
    """
    try:
        import dask.array as da
    except ImportError:
        raise MissingExtraError("dask", "dask", need="to_dask") from None
    plane = "YX" if {"Y", "X"} <= set(file.axes) else file.axes[-2:]
    chunks = tuple(
        min(n, _SIDE) if a in plane else 1 for a, n in zip(file.axes, brick, strict=True)
    )
    return da.from_array(_Planes(file), chunks=chunks, asarray=False, name=False)


class _Planes:
    """A file as dask's tasks hold it."""

    def __init__(self, file: Readable) -> None:
        self.file = file
        self.shape, self.dtype, self.ndim = file.shape, file.dtype, len(file.shape)

    def __getitem__(self, key: Any) -> Any:
        return self.file[key]

    def __reduce__(self) -> tuple[Callable[..., _Planes], tuple[object, ...]]:
        reopen, place = self.file.__reduce__()
        return _planes, (reopen, *place)


@lru_cache(maxsize=1)
def _planes(reopen: Reopen, *place: object) -> _Planes:
    """The same file again; the last one stays open, for the tasks of a process come one by one."""
    return _Planes(reopen(*place))
