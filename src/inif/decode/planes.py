"""Chunks of a level as those of a dask array, in this process or in others."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from inif.errors import MissingExtraError

if TYPE_CHECKING:
    from inif.decode.file import File
    from inif.decode.levels import Level

Reopen = Callable[..., "File"]


def dask_of(level: Level) -> Any:
    """A dask array of a level.

    Raises
    ------
    MissingExtraError
        dask is not installed.
    """
    try:
        import dask.array as da
    except ImportError:
        raise MissingExtraError("dask", "dask", need="to_dask") from None
    return da.from_array(_Planes(level), chunks=level.chunks, asarray=False, name=False)


class _Planes:
    """A level as dask's tasks hold it; another process opens the file when it reads."""

    def __init__(self, level: Level) -> None:
        self.level = level
        self.shape, self.dtype, self.ndim = level.shape, level.dtype, len(level.shape)

    def __getitem__(self, key: Any) -> Any:
        return self.level[key]

    def __reduce__(self) -> tuple[type[_Elsewhere], tuple[object, ...]]:
        reopen, place = self.level.file.__reduce__()
        return _Elsewhere, (self.shape, self.dtype, self.level.number, reopen, *place)


class _Elsewhere:
    """The same in another process, which may be one that only hands it on and has no such file."""

    def __init__(
        self, shape: tuple[int, ...], dtype: Any, number: int, reopen: Reopen, *place: object
    ) -> None:
        self.shape, self.dtype, self.ndim = shape, dtype, len(shape)
        self.number, self.place = number, (reopen, *place)

    def __getitem__(self, key: Any) -> Any:
        return _file(*self.place).levels[self.number][key]


@lru_cache(maxsize=1)
def _file(reopen: Reopen, *place: object) -> File:
    """The same file again; the last one stays open, for the tasks of a process come one by one."""
    return reopen(*place)
