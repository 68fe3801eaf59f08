"""An open `.inif` file, lazy and NumPy-like: what is asked for is what is computed."""

from __future__ import annotations

import math
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from os import PathLike
from threading import Lock
from types import TracebackType
from typing import Any, Protocol, runtime_checkable
from weakref import finalize

import numpy as np

from inif.axes import Selection, preview_selection, select, select_named
from inif.bricks import BrickGrid, Piece
from inif.coding.check import Check
from inif.container.reader import Container, open_container
from inif.container.spec import CORRECTIONS, LOSSLESS
from inif.decode.brick import FieldBricks, Intensities
from inif.errors import FormatError, InputError, SelectionError, UnsupportedError
from inif.fields.parallel import in_order
from inif.image import Image, Metadata
from inif.outliers import NO_OUTLIERS, Outliers

_CACHE_BYTES = 256 << 20
MAX_OME_BYTES = 16 << 20
_PLANE_SIDE = 4096


class Brick(Protocol):
    """A brick ready to be evaluated."""

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        ...

    @property
    def computed(self) -> bool:
        """Whether a network has a part in its samples."""
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


class File:
    """An image in a ``.inif`` file; samples are decoded when they are asked for.

    ``f[0, 32]``, ``f[..., ::4, ::4]``, ``f.sel(z=32, c="DNA")``, ``f.points(...)``, ``f.mask(...)``
    and ``f.preview()`` cost what they return; ``np.asarray(f)`` decodes everything. Threads may
    share a file. A file from a path or a URL pickles as that, and one from bytes with them.
    """

    def __init__(
        self,
        container: Container,
        arithmetic: type[np.floating[Any]] | None = None,
        device: str | None = None,
    ) -> None:
        header = container.header
        self._device = device
        self._arithmetic = arithmetic
        self.container = container
        self.header: dict[str, Any] = header
        self.axes: str = header["axes"]
        self.shape: tuple[int, ...] = tuple(header["shape"])
        self.dtype: np.dtype[Any] = np.dtype(header["dtype"])
        self.grid = BrickGrid(self.shape, tuple(header.get("brick", header["shape"])))
        self.intensities = Intensities(np.array(header["range"], np.float64), self.dtype)
        self.meta = Metadata.from_json(header.get("meta") or {})
        self.exact = LOSSLESS in header["requires"]
        self.corrected = CORRECTIONS in header["requires"] and not self.exact
        self.bricks = _bricks(container, self.grid, self.intensities, device)
        self._open: OrderedDict[int, Brick] = OrderedDict()
        self._lock = Lock()

    def __reduce__(self) -> tuple[Callable[..., File], tuple[object, ...]]:
        """Pickle as where the file lies; unpickling opens it again (see `_reopen`)."""
        return _reopen, self._place

    @property
    def _place(self) -> tuple[object, ...]:
        device = () if self._device is None else (self._device,)
        return (self.container.origin, self.container.digest, *device)

    @property
    def name(self) -> str:
        """Where the file came from, for messages."""
        return self.container.name

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def raw_bytes(self) -> int:
        """Bytes of the uncompressed samples."""
        return self.size * self.dtype.itemsize

    @property
    def file_bytes(self) -> int:
        """Bytes of the whole file."""
        return self.container.file_bytes

    @property
    def ratio(self) -> float:
        """raw_bytes / file_bytes."""
        return self.raw_bytes / self.file_bytes

    @property
    def channels(self) -> list[str | None]:
        """Names of the channels, None where the source gave none; empty without a C axis."""
        c = self.axes.find("C")
        if c < 0:
            return []
        names = [channel.name for channel in self.meta.channels]
        return (names + [None] * self.shape[c])[: self.shape[c]]

    @property
    def ome(self) -> str:
        """OME-XML: the source's own where the file keeps it, else written from the metadata."""
        from inif.io import ome_document

        return str(ome_document(self.shape, self.axes, self.dtype, self._full_meta()))

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return (
            f"<inif.File {self.axes} {self.shape} {self.dtype} at {self.ratio:.1f}x, {self.name}>"
        )

    def __getitem__(self, key: Any) -> Any:
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
        out = np.empty(selection.full_shape, self.dtype)
        pieces = list(self.grid.pieces(selection))

        def part(piece: Piece) -> np.ndarray:
            return self.brick(piece.brick).grid(piece.local)

        workers = None if isinstance(self.bricks, Coarse) else 1  # others have threads of their own
        for piece, samples in zip(pieces, in_order(part, pieces, workers=workers), strict=True):
            out[piece.out] = samples
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
        where = np.asarray(coords, np.float64)
        last = np.array(self.shape) - 1
        if where.ndim != 2 or where.shape[1] != self.ndim:
            raise SelectionError(
                "points must be a table", expected=f"(N, {self.ndim}) numbers", got=where.shape
            )
        good = (where >= 0) & (where <= last)
        if not good.all():
            point, axis = np.argwhere(~good)[0]
            raise SelectionError(
                "a point lies outside the image",
                file=self.name,
                field=f"point {point}, axis {self.axes[axis]}",
                expected=f"0 … {last[axis]}",
                got=where[point, axis],
            )
        c = self.axes.find("C")
        if c >= 0 and not bool(np.all(where[:, c] == np.floor(where[:, c]))):
            raise SelectionError(
                "there is nothing between channels",
                file=self.name,
                field="axis C",
                expected="whole numbers",
            )
        if self.exact:
            from inif.decode import lossless

            return lossless.points(where, self.dtype, self._at)
        if self.corrected:
            from inif.decode import lossless

            real = np.result_type(self.dtype, np.float32)
            return lossless.points(where, real, self._at)
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
        chosen = np.asarray(mask)
        if chosen.dtype != bool or chosen.shape != self.shape[self.ndim - chosen.ndim :]:
            raise SelectionError(
                "this mask does not fit the image",
                expected=f"booleans of shape {self.shape} or of its last axes",
                got=f"{chosen.dtype} {chosen.shape}",
            )
        where = np.argwhere(np.broadcast_to(chosen, self.shape)).astype(np.float64)
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
        return self._overview((step - 1).bit_length())

    def _overview(self, skip: int) -> np.ndarray:
        """Of every 2**skip rows and columns one, from coarse grids."""
        assert isinstance(self.bricks, Coarse)
        keys = tuple(slice(None, None, 1 << skip) if a in "YX" else slice(None) for a in self.axes)
        selection = select(keys, self.shape)
        out = np.empty(selection.full_shape, self.dtype)
        pieces = list(self.grid.pieces(selection))
        seen = self.bricks.overviews([piece.brick for piece in pieces], skip)
        for piece, part in zip(pieces, seen, strict=True):
            out[piece.out] = part
        self.outliers.put(out, selection.ranges, self.shape)
        return out

    def to_dask(self) -> Any:
        """A dask array whose chunks are planes of a brick, of at most 4096 × 4096 samples.

        It works with every scheduler: other processes open the file again, at the same path or
        URL, and each keeps the last one open.

        Raises
        ------
        MissingExtraError
            dask is not installed.
        """
        try:
            import dask.array as da
        except ImportError:
            from inif.errors import MissingExtraError

            raise MissingExtraError("dask", "dask", need="to_dask") from None
        plane = "YX" if {"Y", "X"} <= set(self.axes) else self.axes[-2:]
        chunks = tuple(
            min(n, _PLANE_SIDE) if a in plane else 1
            for a, n in zip(self.axes, self.grid.brick, strict=True)
        )
        return da.from_array(_Planes(self), chunks=chunks, asarray=False, name=False)

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
            _meta_of(self.meta, self.axes, picked),
            self.name,
        )

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
        local = tuple(np.arange(n) for n in self.grid.extent(brick))
        return self.brick(brick).grid(local)

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
        return replace(self.meta, ome_xml=_inflate(self.container.read(entry), self.name))

    def brick(self, brick: int) -> Brick:
        """A brick ready to be evaluated; the last few are kept."""
        with self._lock:
            if brick in self._open:
                self._open.move_to_end(brick)
                return self._open[brick]
            decoder = self.bricks.open(brick)
            if self._arithmetic is not None:
                decoder = decoder.in_dtype(self._arithmetic)
            self._open[brick] = decoder
            while len(self._open) > max(1, _CACHE_BYTES // max(decoder.nbytes, 1)):
                self._open.popitem(last=False)
            return decoder

    def _at(self, where: np.ndarray) -> np.ndarray:
        """What the bricks have at valid positions (N, D), as `Brick.points` says: (N,)."""
        bricks, local = self.grid.locate(where)
        out = np.empty(len(where), self.dtype if self.exact or self.corrected else np.float32)
        order = np.argsort(bricks, kind="stable")
        runs = np.split(order, np.flatnonzero(np.diff(bricks[order])) + 1)
        for rows in runs if order.size else []:
            out[rows] = self.brick(int(bricks[rows[0]])).points(local[rows])
        return out

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


class _Planes:
    """A file as dask's tasks hold it."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.shape, self.dtype, self.ndim = file.shape, file.dtype, file.ndim

    def __getitem__(self, key: Any) -> Any:
        return self.file[key]

    def __reduce__(self) -> tuple[Callable[..., _Planes], tuple[object, ...]]:
        return _planes, self.file._place


@lru_cache(maxsize=1)
def _planes(origin: object, digest: str, device: str | None = None) -> _Planes:
    """The same file again; the last one stays open, for the tasks of a process come one by one."""
    return _Planes(_reopen(origin, digest, device))


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


def _bricks(
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


def _inflate(data: bytes, name: str) -> str:
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(data, MAX_OME_BYTES)
        whole = inflater.eof and not inflater.unconsumed_tail
        decoded = text.decode() if whole else None
    except (zlib.error, UnicodeDecodeError):
        decoded = None
    if decoded is None:
        raise FormatError("the OME-XML cannot be read", file=name, field="section OMEX")
    return decoded


def _meta_of(meta: Metadata, axes: str, selection: Selection) -> Metadata:
    """Metadata that fits a selection: steps grow with strides, channels follow their indices."""
    scale = {}
    for axis, (value, unit) in meta.scale.items():
        picked = axes.find(axis)
        if picked < 0 or selection.dropped[picked]:
            continue
        scale[axis] = (value * abs(selection.ranges[picked].step), unit)
    c = axes.find("C")
    channels: Sequence[Any] = meta.channels
    if c >= 0 and meta.channels:
        channels = [meta.channels[i] for i in selection.ranges[c] if i < len(meta.channels)]
    return Metadata(meta.name, scale, tuple(channels))
