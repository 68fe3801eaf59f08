"""OME-TIFF, region by region: tiles of planes, and in SubIFDs the smaller levels of each plane.

tifffile writes the pages first, with empty tables of where their tiles are. Tiles are appended in
the order in which the source gives them, and the tables are filled in at the end.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from typing import Any, BinaryIO

import numpy as np

from inif.errors import InputError
from inif.fields.parallel import in_order
from inif.image import ImageSource, Region
from inif.io.common import one_line, planes_last, replacing
from inif.io.ome import PIXEL_TYPES
from inif.io.ome_update import can_update, ome_document
from inif.io.pyramid import Progress, Shape, chunk_length, fill, holds_labels, level_shapes
from inif.io.units import in_ome

TILE = 512
"""Rows and columns of a tile, at most; a plane that is no larger is one strip."""

_OFFSETS, _COUNTS = {True: 324, False: 273}, {True: 325, False: 279}
"""Tags of tiles (True) and of strips."""

_CLASSIC = (1 << 32) - (1 << 25)
"""Bytes that a TIFF file can have which is no BigTIFF, with some room for its pages."""


def write(
    image: ImageSource, path: str, *, overwrite: bool, progress: Progress | None = None
) -> None:
    """An OME-TIFF file, lossless (deflate), one page per plane, of BigTIFF where it may be large.

    Pages keep the order of the image's axes; Y and X become the last two, and are added with
    length 1 if the image lacks them. Steps, units, names and colours go into the OME-XML, which
    is the source's own, updated, where the metadata hold it. In tiles, whole numbers are stored as
    differences along rows. Strips hold the samples themselves, because ImageJ's own reader, which
    takes no tiles, would show the differences; and so do floating-point tiles, because Bio-Formats
    knows no differences of these. Booleans are always in strips, because it takes the bits of tiles
    for others where a plane ends within a byte.
    """
    import tifffile

    source = planes_last(image)
    dtype, shapes = source.dtype, level_shapes(source.shape)
    xml = ome_document(source.shape, source.axes, dtype, image.meta, tiff=True)
    block = (source.block or (None, None))[-2:]
    tile = tuple(
        chunk_length(n, b, TILE, least=TILE // 4, multiple=16)
        for n, b in zip(source.shape[-2:], block, strict=True)
    )
    if dtype.kind == "b":
        tile = (tile[0], source.shape[-1])
    pages = math.prod(source.shape[:-2])
    raw = dtype.itemsize * sum(map(math.prod, shapes)) + 1024 * pages * len(shapes)
    with replacing(path, overwrite=overwrite) as temporary, contextlib.ExitStack() as stack:
        with open(temporary, "xb"):
            pass
        out, back = (stack.enter_context(open(temporary, mode)) for mode in ("r+b", "rb"))
        levels = [_Tiles(out, back, shape, dtype, tile) for shape in shapes]
        with tifffile.TiffWriter(temporary, bigtiff=raw > _CLASSIC) as tif:
            for number, level in enumerate(levels):
                tif.write(
                    (b"" for _ in range(level.places[..., 0].size)),
                    shape=(pages, *level.shape[-2:]),
                    dtype=dtype,
                    photometric="minisblack",
                    compression="zlib",
                    predictor=level.differences,
                    tile=tile if level.tiled else None,
                    rowsperstrip=None if level.tiled else level.tile[0],
                    metadata=None,
                    description=None if number else xml.encode(),
                    software=False,
                    subifds=None if number else len(levels) - 1,
                    subfiletype=1 if number else 0,
                )
        out.seek(0, 2)
        nearest = len(levels) > 1 and holds_labels(image)
        chunk = (*(1 for _ in source.shape[:-2]), *tile)
        fill(source, levels, chunk, nearest=nearest, progress=progress)
        _fill_tables(temporary, levels)


def unkept(image: ImageSource) -> list[str]:
    """Remarks on what no other program will find in the OME-TIFF of an image."""
    remarks = []
    steps = {a: v for a, v in image.meta.scale.items() if not in_ome(a, *v)}
    if steps:
        said = ", ".join(f"{a} {step:g} {unit or ''}".rstrip() for a, (step, unit) in steps.items())
        remarks.append(
            f"OME-XML has no attribute for these steps: {one_line(said)}; they are in an "
            "annotation that inif alone reads"
        )
    if image.meta.ome_xml and not can_update(image.meta):
        remarks.append(
            "the OME-XML of the source is of another schema, or unclear: what it says beside "
            "names, steps and colours is not in the output"
        )
    return remarks


def check(path: str, shape: tuple[int, ...], axes: str, dtype: np.dtype[Any]) -> None:
    """Whether OME-TIFF can hold such an image; InputError if not."""
    if dtype.name not in PIXEL_TYPES or dtype.kind == "c":
        raise InputError(
            "OME-TIFF cannot hold this sample type",
            file=path,
            field="dtype",
            expected=", ".join(n for n in PIXEL_TYPES if np.dtype(n).kind in "biuf"),
            got=dtype,
            fix="write .ome.zarr or .npy",
        )


class _Tiles:
    """A level of all planes: tiles that are appended to a file, and where they are.

    Parameters
    ----------
    out, back
        The file, to write at its end and to read what was written.
    shape
        Of the level, (…, Y, X).
    tile
        Rows and columns of a tile. Tiles that are as wide as a plane may be strips, of which the
        last one has the rows that are left.
    """

    def __init__(
        self, out: BinaryIO, back: BinaryIO, shape: Shape, dtype: np.dtype[Any], tile: Shape
    ) -> None:
        self.shape, self._dtype, self._out, self._back = shape, dtype, out, back
        counts = [-(-n // t) for n, t in zip(shape[-2:], tile, strict=True)]
        self.tiled = counts != [1, 1] and dtype.kind != "b"
        self.tile = tile if self.tiled else tuple(map(min, tile, shape[-2:]))
        self.differences = self.tiled and dtype.kind in "iu"
        self.places = np.zeros((*shape[:-2], *counts, 2), np.int64)
        """Of every tile of every plane, where it begins in the file and how long it is."""

    def __setitem__(self, region: Region, samples: np.ndarray) -> None:
        """Append the tiles of a region."""
        tiles = list(self._tiles(region))
        parts = (samples[where] for _, where in tiles)
        packed = in_order(self._packed, list(parts))
        for (place, _), data in zip(tiles, packed, strict=True):
            self.places[place] = self._out.tell(), len(data)
            self._out.write(data)
        self._out.flush()

    def __getitem__(self, region: Region) -> np.ndarray:
        """Samples of tiles that were written."""
        out = np.empty([s.stop - s.start for s in region], self._dtype)
        for place, where in self._tiles(region):
            part = out[where]
            part[...] = self._unpacked(place)[tuple(map(slice, part.shape))]
        return out

    def _tiles(self, region: Region) -> Any:
        """Tiles of a region that begins with one: where it is noted, and its part of the region."""
        planes = [range(s.start, s.stop) for s in region[:-2]]
        inside = [
            range(s.start // t, -(-s.stop // t))
            for s, t in zip(region[-2:], self.tile, strict=True)
        ]
        first = [s.start for s in region[:-2]]
        for *plane, row, column in itertools.product(*planes, *inside):
            rows, columns = (
                slice(i * t - s.start, (i + 1) * t - s.start)
                for i, t, s in zip((row, column), self.tile, region[-2:], strict=True)
            )
            where = (*(i - f for i, f in zip(plane, first, strict=True)), rows, columns)
            yield (*plane, row, column), where

    def _packed(self, part: np.ndarray) -> bytes:
        """A tile of (rows, columns), or less of it at the end of a plane, as it is stored."""
        import imagecodecs

        tile = part
        if self.tiled and part.shape != self.tile:
            tile = np.zeros(self.tile, self._dtype)
            tile[tuple(map(slice, part.shape))] = part
        if self._dtype.kind == "b":
            tile = np.packbits(tile, axis=-1)
        elif self.differences:
            tile = imagecodecs.delta_encode(np.ascontiguousarray(tile), axis=-1)
        plain = np.ascontiguousarray(tile).tobytes()
        if imagecodecs.DEFLATE.available:  # several times as fast, in the same format
            return bytes(imagecodecs.deflate_encode(plain))
        return bytes(imagecodecs.zlib_encode(plain))

    def _unpacked(self, place: Shape) -> np.ndarray:
        """A stored tile, (rows, columns), of booleans perhaps with some columns more."""
        import imagecodecs

        offset, count = self.places[place]
        self._back.seek(offset)
        data: Any = imagecodecs.zlib_decode(self._back.read(count))
        if self._dtype.kind == "b":
            bits = np.frombuffer(data, np.uint8).reshape(-1, -(-self.tile[1] // 8))
            return np.unpackbits(bits, axis=-1).view(bool)
        tile: np.ndarray = np.frombuffer(data, self._dtype).reshape(-1, self.tile[1])
        if self.differences:
            tile = imagecodecs.delta_decode(tile, axis=-1)
        return tile


def _fill_tables(path: str, levels: list[_Tiles]) -> None:
    """Tell the pages of a TIFF file where their tiles are."""
    import tifffile

    with tifffile.TiffFile(path, mode="r+") as tif:
        tables = [level.places.reshape(-1, *level.places.shape[-3:]) for level in levels]
        for number, page in enumerate(tif.pages):
            own = [page, *(page.pages or ())]
            for level, table, found in zip(levels, tables, own, strict=True):
                offsets, counts = table[number].reshape(-1, 2).T.tolist()
                found.tags[_OFFSETS[level.tiled]].overwrite(offsets, erase=False)
                found.tags[_COUNTS[level.tiled]].overwrite(counts, erase=False)
