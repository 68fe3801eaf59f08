"""The reader that bioio uses for `.inif` files."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from bioio_base import constants, exceptions, io, reader, types
from fsspec.spec import AbstractFileSystem
from ome_types import OME, from_xml

import inif
from bioio_inif.source import Ranges
from inif.container.spec import MAGIC
from inif.decode.xarrays import coordinates_of, read_outer
from inif.io.units import LENGTHS, TIMES
from inif.metadata import Channel, Metadata

log = logging.getLogger(__name__)

_UNITS = {*LENGTHS.values(), *TIMES.values(), "pixel"}


class Reader(reader.Reader):
    """One `.inif` file: one scene, with the levels of its pyramid as resolution levels.

    Samples are decoded when they are asked for, and no handle to the file stays open. Lengths are
    given in µm and times in seconds where the file names a unit that can be converted.

    Parameters
    ----------
    image
        A path, or a URL that fsspec knows.
    fs_kwargs
        For the file system of a URL.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    UnsupportedFileFormatError
        It is no `.inif` file.
    inif.errors.InifError
        It is damaged, or needs a newer release of inif.
    """

    def __init__(self, image: types.PathLike, fs_kwargs: Mapping[str, Any] | None = None) -> None:
        self._fs, self._path = io.pathlike_to_fs(
            image, enforce_exists=True, fs_kwargs=dict(fs_kwargs or {})
        )
        self._is_supported_image(self._fs, self._path)
        self._file = inif.open(Ranges.of(self._fs, self._path))
        self._scale = {a: _converted(a, *step) for a, step in self._file.meta.scale.items()}

    @staticmethod
    def _is_supported_image(fs: AbstractFileSystem, path: str, **_: Any) -> bool:
        if not fs.cat_file(path, start=0, end=len(MAGIC)).startswith(MAGIC):
            raise exceptions.UnsupportedFileFormatError("bioio-inif", path, "It is no .inif file.")
        return True

    @property
    def scenes(self) -> tuple[str, ...]:
        """The one scene."""
        return ("Image:0",)

    @property
    def resolution_levels(self) -> tuple[int, ...]:
        """Levels of the pyramid: level k has every 2**k-th row and column."""
        return tuple(range(len(self._file.levels)))

    @property
    def _level(self) -> Any:
        return self._file.levels[self.current_resolution_level]

    def _read_delayed(self) -> xr.DataArray:
        return self._described(self._level.to_dask())

    def _read_immediate(self) -> xr.DataArray:
        return self._described(self._level[...])

    def _read_indexed(self, given_dims: str, dim_specs: list[Any]) -> np.ndarray:
        """Only what `get_image_data` asks for, unless all samples are in memory already."""
        if self._xarray_data is None:
            return read_outer(self._level, dim_specs)
        return np.asarray(super()._read_indexed(given_dims, dim_specs))

    def _described(self, data: Any) -> xr.DataArray:
        """Samples of the current level with their coordinates and metadata."""
        axes = self._file.axes
        names = [name or f"Channel:0:{i}" for i, name in enumerate(self._file.channels)]
        meta = Metadata(scale=self._scale, channels=tuple(Channel(name) for name in names))
        coordinates = coordinates_of(axes, data.shape, meta, self._level.step)
        return xr.DataArray(data, dims=tuple(axes), coords=coordinates, attrs=self._attributes)

    @cached_property
    def _attributes(self) -> dict[str, Any]:
        """The metadata as OME-XML and, where it can be read, in OME's model."""
        ome = self._file.ome
        found: dict[str, Any] = {constants.METADATA_UNPROCESSED: ome}
        try:
            found[constants.METADATA_PROCESSED] = from_xml(ome)
        except Exception as error:  # whatever the parser and the models of OME have to say
            log.warning("The OME metadata of %s cannot be read: %s", self._path, error)
        return found

    @property
    def ome_metadata(self) -> OME:
        """The metadata in OME's model: the source's own, where the file keeps it."""
        return from_xml(self._file.ome)

    @property
    def physical_pixel_sizes(self) -> types.PhysicalPixelSizes:
        """Steps from sample to sample of the current level along Z, Y and X; None: not known."""
        size = {a: step for a, (step, _) in self._scale.items()}
        size |= {a: size[a] * self._level.step for a in "YX" if a in size}
        return types.PhysicalPixelSizes(size.get("Z"), size.get("Y"), size.get("X"))

    @property
    def time_interval(self) -> types.TimeInterval:
        """From one point in time to the next; None: not known."""
        step, unit = self._scale.get("T", (None, None))
        return timedelta(seconds=step) if step is not None and unit == "s" else None

    @property
    def dimension_properties(self) -> types.DimensionProperties:
        """What each axis is, and its unit."""
        kinds = {"T": "time", "C": "channel"}
        found = {}
        for axis in types.DimensionProperties._fields:
            here = axis in (self._file.axes if axis == "C" else self._scale)
            unit = _unit(self._scale[axis][1]) if here and axis != "C" else None
            found[axis] = types.DimensionProperty(kinds.get(axis, "space") if here else None, unit)
        return types.DimensionProperties(**found)


def _unit(name: str | None) -> types.Unit | None:
    """A unit of the registry that bioio and OME share; None for text that is no unit we know.

    The registry would work out any expression, however large, and the text is that of the file.
    """
    return types.ureg.Unit(name) if name in _UNITS else None


def _converted(axis: str, step: float, unit: str | None) -> tuple[float, str | None]:
    """A step in µm or seconds, where its unit can be converted; else as it is."""
    table, wanted = (TIMES, "s") if axis == "T" else (LENGTHS, "µm")
    if unit == wanted or unit not in table.values():
        return step, unit
    return float(types.ureg.Quantity(step, unit).to(wanted).magnitude), wanted
