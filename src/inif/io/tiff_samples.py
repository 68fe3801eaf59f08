"""The samples of a TIFF series: one run in the file, or the strips and tiles of its pages."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from inif.image import Region, check_memory
from inif.io.samples import Blocks, Run, Samples, Whole, grown

_JPEG = (6, 7, 33007, 34892)


def run_of(tif: Any, planes: int) -> Run:
    """So many planes that follow one another behind a single page."""
    page = tif.pages.first
    return _run(tif, page.dataoffsets[0], (planes, *page.shape), page.dtype)


def samples_of(tif: Any, series: Any, name: str) -> Samples:
    """The samples of a series, whose pages are known to be whole (`tiff_whole.check_pages`).

    Raises
    ------
    InputError
        It can only be decoded whole, or a strip or tile of it only, and that exceeds the memory.
    """
    if series.transform is None and series.dataoffset is not None:
        return _run(tif, series.dataoffset, series.shape, series.dtype)
    inner = [n for n in series.keyframe.shaped if n > 1]
    long = [n for n in series.shape if n > 1]
    if series.transform is not None or long[len(long) - len(inner) :] != inner:
        check_memory(series.shape, np.dtype(series.dtype), name)
        data = series.asarray()
        return Whole(data.reshape(-1)[: math.prod(series.shape)].reshape(series.shape))
    return _Pages(series, tuple(long[: len(long) - len(inner)]), name)


def _run(tif: Any, offset: int, shape: tuple[int, ...], dtype: Any) -> Run:
    return Run(tif.filehandle, offset, shape, np.dtype(dtype).newbyteorder(tif.byteorder))


class _Pages:
    """Samples by strips and tiles.

    All axes are those of the pages (`lead`), then a page's own five: separate samples, depth,
    length, width, contiguous samples. The series' shape has the same axes, but for some of
    length 1.
    """

    def __init__(self, series: Any, lead: tuple[int, ...], name: str) -> None:
        page = series.keyframe
        self.shape: tuple[int, ...] = series.shape
        self.dtype = np.dtype(page.dtype)
        self._series, self._lead, self._page = series, lead, page
        self._lock = threading.RLock()
        page.decode  # noqa: B018  # made once, and not by several threads at the same time
        self._plain = page.is_final
        if page.is_contiguous:  # one run of bytes per page
            unit = (1, 1, 1, *page.shaped[3:]) if self._plain else page.shaped
        elif page.is_tiled:
            unit = (1, page.tiledepth, page.tilelength, page.tilewidth, page.shaped[4])
        else:
            unit = (1, 1, page.rowsperstrip, *page.shaped[3:])
        self._segment = tuple(map(min, unit, page.shaped)) if not page.is_tiled else unit
        block = grown(self._segment, page.shaped, self.dtype, 3)
        check_memory(self._segment, self.dtype, name)
        ones = (1,) * len(lead)
        self._blocks = Blocks((*lead, *page.shaped), self.dtype, (*ones, *block), self._load)

    def __call__(self, region: Region) -> np.ndarray:
        """See `inif.io.samples.Samples`."""
        shape = [s.stop - s.start for s in region]
        if 0 in shape:
            return np.empty(shape, self.dtype)
        long = iter([s for s, n in zip(region, self.shape, strict=True) if n > 1])
        box = [next(long) if n > 1 else slice(0, 1) for n in (*self._lead, *self._page.shaped)]
        return self._blocks(tuple(box)).reshape(shape)

    def _load(self, box: Region) -> np.ndarray:
        """A part of one page, decoded."""
        where = [s.start for s in box[: len(self._lead)]]
        number = int(np.ravel_multi_index(where, self._lead)) if where else 0
        with self._lock:
            page = self._series[number]
            handle = page.parent.filehandle
            closed = handle.closed  # as those of the other files of a series are
            if closed:
                handle.open()
            try:
                part = self._read(page, handle, box[len(self._lead) :])
            finally:
                if closed:
                    handle.close()
        data: np.ndarray = part() if callable(part) else part
        return data.reshape([s.stop - s.start for s in box])

    def _read(self, page: Any, handle: Any, box: Region) -> Any:
        """The samples of a part of a page, or a function that decodes what was read of it."""
        if self._plain:
            dtype = self.dtype.newbyteorder(page.parent.byteorder)
            return Run(handle, page.dataoffsets[0], self._page.shaped, dtype, self._lock)(box)
        if self._page.is_contiguous:
            return page.asarray(squeeze=False)[box]
        grid = [-(-n // s) for n, s in zip(self._page.shaped, self._segment, strict=True)]
        wanted = [
            range(b.start // s, -(-b.stop // s)) for b, s in zip(box, self._segment, strict=True)
        ]
        segments = []
        for index in (
            np.ravel_multi_index(np.meshgrid(*wanted, indexing="ij"), grid).ravel().tolist()
        ):
            size = page.databytecounts[index]
            handle.seek(page.dataoffsets[index])
            raw = handle.read(size)
            if len(raw) < size:
                raise EOFError("the file ends too early")
            segments.append((raw, index))
        options: dict[str, Any] = {"_fullsize": False}
        if self._page.compression in _JPEG:
            options |= {"jpegtables": page.jpegtables, "jpegheader": page.keyframe.jpegheader}
        decode = page.keyframe.decode

        def decoded() -> np.ndarray:
            out = np.empty([b.stop - b.start for b in box], self.dtype)
            for raw, index in segments:
                segment, (s, *corner, _), shape = decode(raw, index, **options)
                _paste(out, box, segment, (s, *corner), shape)
            return out

        return decoded


def _paste(
    out: np.ndarray,
    box: Region,
    segment: np.ndarray,
    corner: tuple[int, ...],
    shape: tuple[int, ...],
) -> None:
    """Copy what a strip or tile has of a box.

    Parameters
    ----------
    out
        The samples of `box`: separate samples, depth, length, width, contiguous samples.
    segment
        Depth, length, width, contiguous samples; at the end of a page perhaps more than belongs
        there.
    corner
        Where it lies in the page: separate sample, depth, length, width.
    shape
        Of `segment` as it should be.
    """
    into: list[Any] = [corner[0] - box[0].start]
    of = []
    for b, start, length in zip(box[1:4], corner[1:], shape, strict=False):
        low, high = max(b.start, start), min(b.stop, start + length)
        into.append(slice(low - b.start, high - b.start))
        of.append(slice(low - start, high - start))
    out[tuple(into)] = segment[tuple(of)]
