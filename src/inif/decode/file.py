"""An open `.inif` file, lazy and NumPy-like: what is asked for is what is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from os import PathLike
from types import TracebackType
from typing import Any
from weakref import finalize

import numpy as np

from inif.axes import Selection, preview_selection, select, select_named
from inif.bricks import BrickGrid
from inif.container.reader import Container, open_container
from inif.container.spec import CORRECTIONS, LOSSLESS
from inif.decode import places
from inif.decode.brick import Intensities
from inif.decode.chunks import ChunkCache
from inif.decode.contract import Brick, Coarse
from inif.decode.described import Described
from inif.decode.display import windows_of
from inif.decode.fancy import is_fancy, read_fancy
from inif.decode.kinds import bricks_of
from inif.decode.levels import Level, levels_of
from inif.decode.meta import inflated, meta_of
from inif.decode.samples import Samples
from inif.errors import InputError, MissingExtraError
from inif.image import Image, LazyImage, Metadata
from inif.outliers import NO_OUTLIERS, Outliers


class File(Described):
    """An image in a ``.inif`` file; samples are decoded when they are asked for.

    ``f[0, 32]``, ``f[..., ::4, ::4]``, ``f.sel(z=32, c="DNA")``, ``f.points(...)``, ``f.mask(...)``
    and ``f.preview()`` cost what they return; ``np.asarray(f)`` decodes everything. Threads may
    share a file. A file from a path or a URL pickles as that, and one from bytes with them.
    """

    def __init__(self, container: Container, device: str | None = None) -> None:
        header = container.header
        self._device = device
        super().__init__(container)
        self.grid = BrickGrid(self.shape, tuple(header.get("brick", header["shape"])))
        self.intensities = Intensities(np.array(header["range"], np.float64), self.dtype)
        self.exact = LOSSLESS in header["requires"]
        self.corrected = CORRECTIONS in header["requires"] and not self.exact
        self.bricks = bricks_of(container, self.grid, self.intensities, device)
        self.kept = ChunkCache()
        self._samples = Samples(self.bricks, self.grid, self.dtype)

    def __reduce__(self) -> tuple[Callable[..., File], tuple[object, ...]]:
        """Pickle as where the file lies; unpickling opens it again (see `_reopen`)."""
        device = () if self._device is None else (self._device,)
        return _reopen, (self.container.origin, self.container.digest, *device)

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The image, then every 2nd, 4th, 8th … row and column of it: for viewers and Zarr."""
        return levels_of(self)

    @cached_property
    def windows(self) -> tuple[tuple[float, float], ...]:
        """Lowest and highest sample that a display should tell apart, for each channel.

        What the original showed, where the file says it; else what the decoded image does.
        """
        return windows_of(self)

    @property
    def ome(self) -> str:
        """OME-XML: the source's own where the file keeps it, else written from the metadata."""
        from inif.io import ome_document

        return str(ome_document(self.shape, self.axes, self.dtype, self._full_meta()))

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        if is_fancy(key):
            read, at = self.__getitem__, self._samples_at
            return read_fancy(key, self.axes, self.shape, read, at, file=self.name)
        names = [f"axis {a}" for a in self.axes]
        return self.read(select(key, self.shape, names, file=self.name))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("decoding always makes a new array")
        full: np.ndarray = self[...]
        return full if dtype is None else full.astype(dtype)

    def sel(self, **picks: Any) -> Any:
        """Samples by axis name: ``f.sel(z=32, y=slice(0, 64), c="DNA")``.

        Raises
        ------
        SelectionError
            No such axis or channel, or an index outside the image.
        """
        return self.read(select_named(picks, self.axes, self.shape, self.channels, file=self.name))

    def read(self, selection: Selection) -> Any:
        """Samples of a selection, in the image's dtype; a scalar where every axis is dropped."""
        out = self._samples.read(selection)
        self.outliers.put(out, selection.ranges, self.shape)
        return out.reshape(selection.shape)[()]

    def points(self, coords: Any) -> np.ndarray:
        """Intensities at any positions, also between samples: (N,) float32, not rounded.

        An outlier that the file keeps exactly is there at its own position, not between samples.

        Of a file that stores its samples exactly: the nearest sample where they are whole numbers
        or booleans (they may be labels, between which there is nothing), linear between samples
        where they are not; in the image's dtype.

        Parameters
        ----------
        coords
            (N, ndim) positions in samples, columns in the order of `axes`; 0 is the first sample's
            centre. A channel is a whole number.

        Raises
        ------
        SelectionError
            Wrong shape, a position outside the image, or a fractional channel.
        """
        where = places.positions(coords, self.axes, self.shape, file=self.name)
        if self.exact or self.corrected:
            real = self.dtype if self.exact else np.result_type(self.dtype, np.float32)
            return places.between(where, real, self._at)
        found = self.intensities.real(self._at(where), self._channel(where))
        self.outliers.put_at(found, where, self.shape)
        return found

    def mask(self, mask: Any) -> np.ndarray:
        """Samples where a mask is true, in C order: (count,) of the image's dtype.

        Parameters
        ----------
        mask
            Boolean array of the image's shape, or of its last axes (then it holds for all others).

        Raises
        ------
        SelectionError
            Not boolean, or a shape that does not fit.
        """
        return self._samples_at(places.masked(mask, self.shape))

    def _samples_at(self, where: np.ndarray) -> np.ndarray:
        """Samples at positions (N, D) that are whole numbers: (N,) of the image's dtype."""
        where = where.astype(np.float64, copy=False)
        found = self._at(where)
        if not (self.exact or self.corrected):
            found = self.intensities.samples(found, self._channel(where))
        self.outliers.put_at(found, where, self.shape)
        return found

    def preview(self, max_size: int = 512) -> np.ndarray:
        """Every k-th row and column so that neither is longer than `max_size`; other axes whole.

        Of a latent field k is a power of two, samples are means of those around them, and only the
        coarse grids are read and decoded. A strided selection (``f[..., ::8, ::8]``) has the very
        samples of the image, so it costs all grids of the bricks.
        """
        selection = preview_selection(self.axes, self.shape, max_size)
        step = max((r.step for r in selection.ranges), default=1)
        if step == 1 or not isinstance(self.bricks, Coarse) or not {"Y", "X"} <= set(self.axes):
            result: np.ndarray = self.read(selection)
            return result
        number = (step - 1).bit_length()
        keys = tuple(
            slice(None, None, 1 << number) if a in "YX" else slice(None) for a in self.axes
        )
        return self.at_level(select(keys, self.shape), number)

    def at_level(self, selection: Selection, number: int) -> np.ndarray:
        """Samples of a strided selection, of its full shape; see `inif.decode.levels`.

        Parameters
        ----------
        selection
            Every 2**number-th row and column of a part that begins at a multiple of that.
        """
        coarse = number > 0 and isinstance(self.bricks, Coarse) and {"Y", "X"} <= set(self.axes)
        if coarse:
            out = self._samples.overview(selection, number, self.kept)
        else:
            out = self._samples.read(selection)
        self.outliers.put(out, selection.ranges, self.shape)
        return out

    def to_dask(self) -> Any:
        """A dask array whose chunks are planes, of at most 1024 × 1024 samples.

        It works with every scheduler: other processes open the file again, at the same path or
        URL, and each keeps the last one open.

        Raises
        ------
        MissingExtraError
            dask is not installed.
        """
        return self.levels[0].to_dask()

    def to_xarray(self) -> Any:
        """An `xarray.DataArray` whose samples are decoded on request.

        Its coordinates are in the units of the file, and the names of channels where it has any.

        Raises
        ------
        MissingExtraError
            xarray is not installed.
        """
        try:
            import xarray  # noqa: F401
        except ImportError:
            raise MissingExtraError("xarray", "xarray", need="to_xarray") from None
        from inif.decode.xarrays import dataarray_of

        return dataarray_of(self)

    def to_image(self, selection: Selection | None = None) -> Image:
        """A decoded selection (all by default) with axes and metadata that fit it."""
        if selection is None:
            return Image(self[...], self.axes, self._full_meta(), self.name)
        picked = selection
        data = np.asarray(self.read(picked))
        axes = picked.kept_axes(self.axes)
        return Image(
            data.reshape(data.shape or (1,)),
            axes or "X",
            meta_of(self.meta, self.axes, picked),
            self.name,
        )

    def to_source(self, selection: Selection | None = None) -> LazyImage:
        """The same, but decoded region by region when its samples are read.

        ``inif.io.write_image(file.to_source(), "a.ome.zarr")`` exports a file of any size.
        """
        from inif.decode.lazy import lazy_image

        if selection is None:
            return lazy_image(self, select((), self.shape), self._full_meta())
        return lazy_image(self, selection, meta_of(self.meta, self.axes, selection))

    def to_bytes(self) -> bytes:
        """The whole file as bytes."""
        return self.container.to_bytes()

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write the file, as it is, to a path; an existing file is replaced with `overwrite`.

        Raises
        ------
        InputError
            The path exists or cannot be written; what was there is as it was.
        """
        from inif.outputs import write_file

        write_file(path, self.to_bytes(), overwrite=overwrite)

    def brick_samples(self, brick: int) -> np.ndarray:
        """All samples of one brick, in the brick's shape."""
        return self._samples.whole(brick)

    @cached_property
    def outliers(self) -> Outliers:
        """Samples that are kept exactly, apart from all others; read when they are first needed.

        Raises
        ------
        FormatError
            Their section is not what it should be.
        """
        from inif.decode import apart

        return NO_OUTLIERS if self.exact else apart.load(self.container)

    def keep_at_most(self, memory: int) -> None:
        """Bound the bytes that bricks and decoded chunks take which are kept for the next reader.

        One of each is kept however large it is. What is kept now is forgotten.
        """
        self.kept = ChunkCache(memory // 2)
        self._samples = Samples(self.bricks, self.grid, self.dtype)
        self._samples.most = memory // 2

    def close(self) -> None:
        """Release the underlying file."""
        self.container.close()

    def __enter__(self) -> File:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _full_meta(self) -> Metadata:
        """The metadata with the source's OME-XML, where the file keeps it."""
        entry = self.container.find(b"OMEX")
        if entry is None:
            return self.meta
        return replace(self.meta, ome_xml=inflated(self.container.read(entry), self.name))

    def brick(self, brick: int) -> Brick:
        """A brick ready to be evaluated; the last ones are kept, as far as memory allows."""
        return self._samples.brick(brick)

    def _at(self, where: np.ndarray) -> np.ndarray:
        """What the bricks have at valid positions (N, D), as `Brick.points` says: (N,)."""
        own = self.dtype if self.exact or self.corrected else np.dtype(np.float32)
        return self._samples.at(where, own)

    def _channel(self, where: np.ndarray) -> np.ndarray | int:
        """The channel of each of (N, D) positions."""
        c = self.axes.find("C")
        return where[:, c].astype(np.int64) if c >= 0 else 0


def open_file(source: object, device: str | None = None) -> File:
    """Open a path, URL, bytes or binary file object; reads the header and the section table.

    Parameters
    ----------
    device
        A platform of JAX, such as "gpu", that evaluates a pure field; by default NumPy does.

    Raises
    ------
    FormatError, UnsupportedError, InputError
        The file cannot be opened, is damaged, or needs a newer release; it is no pure field, or
        there is no such device.
    """
    container = open_container(source)
    try:
        return File(container, device=device)
    except BaseException:
        container.close()
        raise


def _reopen(origin: object, digest: str, device: str | None = None) -> File:
    """Open a pickled file, and close it when nobody holds it any more.

    Raises
    ------
    InputError
        It is not the file that was pickled.
    FormatError, UnsupportedError, InputError
        As `open_file`.
    """
    file = open_file(origin, device)
    finalize(file, file.container.close)
    if file.container.digest != digest:
        raise InputError(
            "the file has changed since it was opened",
            file=file.name,
            field="header and section table",
            expected=f"SHA-256 {digest}",
            got=file.container.digest,
            fix="open it anew",
        )
    return file
