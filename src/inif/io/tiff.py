"""TIFF, OME-TIFF and ImageJ hyperstacks, through tifffile.

tifffile fills what a file lacks with zeros and says so in its log only; zeros that nobody measured
must not be compressed as if they were data, so the pages are checked here before they are read.
"""

from __future__ import annotations

import contextlib
import math
import os
from typing import Any

import numpy as np

from inif.errors import InputError
from inif.image import Image, Metadata
from inif.io.common import (
    Source,
    build,
    check_memory,
    only_scene,
    planes_last,
    reading,
    replacing,
    rgb_channels,
)
from inif.io.imagej import imagej_metadata
from inif.io.ome import PIXEL_TYPES, children, local, parse_ome_xml, parse_tree
from inif.io.ome_update import ome_document


def read(source: Source, kind: str, axes: str | None, scene: int) -> Image:
    """One series of a TIFF file, with axes from OME-XML, ImageJ or tifffile's own description.

    Axes of length 1 other than Y and X are left out; colour samples become the C axis.

    Raises
    ------
    InputError
        Damaged or truncated, pages or files missing, unsafe OME-XML, no such series.
    AxesError
        The file does not name its axes, as a plain multi-page TIFF does not.
    """
    with reading(source.name, "TIFF file"), contextlib.ExitStack() as stack:
        import tifffile

        target: Any = stack.enter_context(source.open()) if source.remote else source.path
        tif = stack.enter_context(tifffile.TiffFile(target))
        xml = tif.pages[0].description if tif.is_ome else None  # type: ignore[union-attr]
        if xml is not None:
            _check_ome(xml, source.name)
        only_scene(scene, len(tif.series), source.name)
        series = tif.series[scene]
        _check_complete(series, source.name)
        check_memory(series.shape, np.dtype(series.dtype), source.name)
        stored, meta = _describe(tif, series, scene, xml, source.name)
        data = series.asarray()
    return build(data, stored, axes, meta, source.name)


def write(image: Image, path: str, *, overwrite: bool) -> None:
    """An OME-TIFF file: zlib with predictor, lossless, one page per plane.

    Pages keep the order of the image's axes; Y and X become the last two, and are added with
    length 1 if the image lacks them. Steps, units, names and colours go into the OME-XML, which
    is the source's own, updated, where the metadata hold it.
    """
    import tifffile

    data, axes = planes_last(image)
    xml = ome_document(data.shape, axes, data.dtype, image.meta, tiff=True)
    with replacing(path, overwrite=overwrite) as temporary:
        tifffile.imwrite(
            temporary,
            data,
            photometric="minisblack",
            compression="zlib",
            predictor=data.dtype.kind in "iuf",
            metadata=None,
            description=xml.encode(),
            software=False,
        )


def check(path: str, shape: tuple[int, ...], axes: str, dtype: np.dtype[Any]) -> None:
    """Whether OME-TIFF can hold such an image; InputError if not."""
    if dtype.name not in PIXEL_TYPES or dtype.kind in "bc":
        raise InputError(
            "OME-TIFF cannot hold this sample type",
            file=path,
            field="dtype",
            expected=", ".join(n for n in PIXEL_TYPES if np.dtype(n).kind in "iuf"),
            got=dtype,
        )


def _check_ome(xml: str, name: str) -> None:
    """Refuse OME-XML that is unsafe or leads out of the folder, before tifffile follows it."""
    root = parse_tree(xml, file=name)
    part = next(iter(children(root, "BinaryOnly")), None)
    if part is not None:
        raise InputError(
            "this file is one part of an OME-TIFF of several files",
            file=name,
            field="BinaryOnly",
            fix=f"read the file that describes them all: {part.get('MetadataFile')}",
        )
    for element in root.iter():
        file = element.get("FileName") if local(element) == "UUID" else None
        if file and (os.path.isabs(file) or ".." in file.replace("\\", "/").split("/")):
            raise InputError(
                "the OME-XML names a file outside its folder",
                file=name,
                field="UUID FileName",
                got=file,
            )


def _check_complete(series: Any, name: str) -> None:
    """Refuse a series with a page, tile or strip that is missing or lies beyond its file's end."""
    if series.dataoffset is not None:  # one run of uncompressed samples
        if series.dataoffset + series.nbytes > series.parent.filehandle.size:
            raise _incomplete(name, "the file ends before its samples do")
        return
    for index, page in enumerate(series):
        where = f"page {index + 1} of {len(series)}"
        if page is None:
            raise _incomplete(name, f"{where} is missing")
        size = page.parent.filehandle.size
        offsets, counts = page.dataoffsets, page.databytecounts
        if min(len(offsets), len(counts)) < math.prod(page.keyframe.chunked):
            raise _incomplete(name, f"tiles or strips of {where} are missing")
        for offset, count in zip(offsets, counts, strict=False):
            if offset <= 0 or count <= 0:
                raise _incomplete(name, f"a tile or strip of {where} is missing")
            if offset + count > size:
                raise _incomplete(name, f"{where} lies beyond the end of its file")


def _incomplete(name: str, got: str) -> InputError:
    return InputError(
        "this TIFF image is not complete",
        file=name,
        expected="every page, tile and strip",
        got=got,
        fix="get the file, with all the files that it names, again from its source",
    )


def _describe(
    tif: Any, series: Any, scene: int, xml: str | None, name: str
) -> tuple[str | None, Metadata]:
    """Axes (None: not known) and metadata of a series."""
    stored: str = series.axes
    if xml is not None:
        index = _ome_index(xml, series, scene, len(tif.series), name)
        meta = parse_ome_xml(xml, index, file=name)
        if series.kind != "ome":  # tifffile could not make sense of the OME-XML
            return None, meta
    elif series.kind == "imagej":
        resolution = _resolution(tif.pages[0])
        meta = imagej_metadata(tif.imagej_metadata or {}, resolution, stored, series.shape)
    else:
        meta = Metadata()
    if "S" in stored and "C" not in stored:
        samples = series.shape[stored.index("S")]
        rgb = series.keyframe.photometric in (2, 6)  # RGB, YCbCr
        stored = stored.replace("S", "C")
        meta = Metadata(meta.name, meta.scale, rgb_channels(samples) if rgb else (), meta.ome_xml)
    return stored, meta


def _ome_index(xml: str, series: Any, scene: int, count: int, name: str) -> int:
    """The number of a series's OME Image: by place, or by name if some have no data."""
    names = [e.get("Name") for e in children(parse_tree(xml, file=name), "Image")]
    if len(names) != count and names.count(series.name) == 1:
        return names.index(series.name)
    return scene


def _resolution(page: Any) -> tuple[float, float]:
    values = []
    for tag in ("XResolution", "YResolution"):
        above, below = page.tags[tag].value if tag in page.tags else (0, 1)
        values.append(above / below if below else 0.0)
    return values[0], values[1]
