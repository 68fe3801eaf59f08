"""A dask array as a tree of OME-Zarr; its smaller levels are made on the fly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from inif.axes import check_axes
from inif.errors import AxesError, InputError
from inif.image import Region, check_region, native
from inif.io.ome_zarr_meta import attributes, dataset
from inif.metadata import Metadata, check_metadata
from inif.scale.layout import chunk_and_shard
from inif.scale.levels import Reduced, smaller
from inif.scale.multiscale import Settings, exact_remark, kind_of, reduced
from inif.scale.plan import ArrayPlan, Tree
from inif.scale.source import ArraySource

if TYPE_CHECKING:
    import dask.array as da

NAME = "<dask array>"


@dataclass(frozen=True)
class DaskSource:
    """The samples of a dask array, computed by the thread that asks for them: see `ArraySource`.

    Attributes
    ----------
    array
        All of it, or a part.
    origin
        Where the part begins in the whole.
    """

    array: da.Array
    origin: tuple[int, ...]

    def read(self, region: Region) -> np.ndarray:
        """See `ArraySource.read`."""
        own = tuple(
            slice(s.start - o, s.stop - o) for s, o in zip(region, self.origin, strict=True)
        )
        own = check_region(own, self.array.shape, NAME)
        data = self.array[own].compute(scheduler="synchronous")
        return np.ascontiguousarray(native(np.asarray(data)))

    def part(self, region: Region) -> DaskSource:
        """A source of a region only, whose graph has no more than that needs."""
        from dask.base import optimize

        (culled,) = optimize(self.array[region])
        origin = (o + s.start for o, s in zip(self.origin, region, strict=True))
        return DaskSource(culled, tuple(origin))


def narrowed(source: ArraySource, region: Region) -> ArraySource:
    """What a worker needs to read a region: little to send, where a source is large."""
    if isinstance(source, DaskSource):
        return source.part(region)
    if isinstance(source, Reduced) and isinstance(source.source, DaskSource):
        f, whole = 1 << source.level, source.source.array.shape
        planes = [
            slice(s.start * f, min(s.stop * f, n))
            for s, n in zip(region[-2:], whole[-2:], strict=True)
        ]
        return replace(source, source=source.source.part((*region[:-2], *planes)))
    return source


def read_dask(
    array: da.Array,
    axes: str,
    *,
    meta: Metadata | None = None,
    chunks: Mapping[str, int] | None = None,
    shards: Mapping[str, int] | None = None,
) -> Tree:
    """The tree of a dask array.

    Parameters
    ----------
    axes
        One letter of "TCZYX" per axis, Y and X among them.
    meta
        Name, pixel sizes and channels.
    chunks, shards
        As `inif.scale.tree.read_tree` takes them.

    Raises
    ------
    AxesError
        The axes do not fit the array.
    InputError
        It is no dask array, nothing can be done with its sample type, or the metadata do not fit.
    """
    if not hasattr(array, "chunksize"):
        raise InputError(
            "this is no dask array",
            field="array",
            got=type(array).__name__,
            fix="give inif.to_zarr the result of dask.array.from_array, or write a file with "
            "inif.compress",
        )
    axes, meta = check_axes(axes, array.shape, file=NAME), meta or Metadata()
    if not {"Y", "X"} <= set(axes):
        raise AxesError("an image needs rows and columns", file=NAME, expected="Y and X", got=axes)
    check_metadata(meta, NAME)
    order = "".join(a for a in "TCZYX" if a in axes)
    turned = array.transpose([axes.index(a) for a in order])
    dtype = np.dtype(turned.dtype).newbyteorder("=")
    shape = tuple(int(n) for n in turned.shape)
    settings, block = Settings(chunks, shards, order), tuple(map(int, turned.chunksize))
    kind = kind_of(dtype, labels=False, file=NAME)
    first = ArrayPlan(
        *("0", order, shape, dtype, *chunk_and_shard(order, shape, dtype, chunks, shards, block)),
        *(kind, "", 0, DaskSource(turned, (0,) * turned.ndim), dtype.type(0)),
        dimension_names=tuple(order.lower()),
    )
    plans = [first]
    for level, smaller_shape in enumerate(smaller(order, shape), 1):
        own = (first, str(level), smaller_shape, level, settings)
        plans.append(reduced(*own, nearest=False, block=block))
    datasets = [dataset(p.path, order, meta.scale, 1 << p.level, shift=True) for p in plans]
    way = "mean" if len(plans) > 1 else None
    ome: dict[str, Any] = attributes(meta, order, dtype, datasets, (), kind=way)
    remarks = (exact_remark("", dtype),) if kind == "exact" else ()
    return Tree({"": {"ome": ome}}, tuple(plans), {}, remarks, NAME)
