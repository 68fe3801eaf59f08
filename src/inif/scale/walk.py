"""The groups and arrays of an OME-Zarr hierarchy, visited from its root."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from inif.image import DTYPES
from inif.io.location import Location
from inif.io.ome_zarr_axes import of_multiscales
from inif.io.ome_zarr_series import node_at
from inif.io.ome_zarr_store import open_store
from inif.scale.layout import chunk_and_shard
from inif.scale.plan import ArrayPlan, Tree
from inif.scale.source import ZarrSource


class Walk:
    """First version: one image of OME-Zarr 0.5."""

    def __init__(
        self,
        location: Location,
        zipped: bool,
        chunks: Mapping[str, int] | None,
        shards: Mapping[str, int] | None,
        axes: str | None,
    ) -> None:
        self.location, self.zipped, self.axes = location, zipped, axes
        self.chunks, self.shards = chunks, shards

    def tree(self) -> Tree:
        """The tree."""
        store = open_store(self.location, zipped=self.zipped)
        root = node_at(store, "")
        attributes: dict[str, Any] = dict(root.attrs)
        image = attributes["ome"]["multiscales"][0]
        plans = []
        for level, entry in enumerate(image["datasets"]):
            array = node_at(store, entry["path"])
            dimensions, _ = of_multiscales(image, "0.5", array.ndim, ())
            axes = dimensions.choose(self.axes, array.shape, self.location.name)
            dtype = np.dtype(array.dtype).newbyteorder("=")
            chunks, shards = chunk_and_shard(axes, array.shape, dtype, self.chunks, self.shards)
            plans.append(
                ArrayPlan(
                    *(entry["path"], axes, array.shape, dtype, chunks, shards),
                    "image" if dtype.name in DTYPES else "exact",
                    "",
                    level,
                    ZarrSource(self.location.path, entry["path"], self.zipped),
                    array.fill_value,
                    dict(array.attrs),
                    array.metadata.dimension_names,
                )
            )
        return Tree({"": attributes}, tuple(plans), {}, (), self.location.name, "0.5")
