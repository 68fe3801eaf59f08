"""TIFF, OME-TIFF and ImageJ hyperstacks, through tifffile.

Whether a file is whole is checked before its samples are read (`tiff_whole`); what its OME-XML and
its tags say is in `tiff_ome` and `tiff_said`.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

from inif.image import Channel, LazyImage, Metadata
from inif.io.common import (
    only_scene,
    reading,
    several_images,
)
from inif.io.imagej import imagej_metadata, ramp_color
from inif.io.location import Location
from inif.io.ome import parse_ome_xml
from inif.io.samples import Samples, build
from inif.io.tiff_ome import (
    files_of,
    image_number,
    missing_files,
    open_tiff,
    spare_pages,
    stated_planes,
)
from inif.io.tiff_said import pixel_size, rational, sample_channels, sample_remarks, vendor_scale
from inif.io.tiff_samples import run_of, samples_of
from inif.io.tiff_whole import (
    ImageJCounts,
    check_imagej,
    check_pages,
    check_shaped,
    incomplete,
    planes_of,
)


def open_file(location: Location, kind: str, axes: str | None, scene: int) -> LazyImage:
    """One series of a TIFF file, with axes from OME-XML, ImageJ or tifffile's own description.

    Axes of length 1 other than Y and X are left out; colour samples become the C axis. OME-XML that
    cannot be used is left out, with a remark, where the axes are known without it.

    Raises
    ------
    InputError
        Damaged or truncated, pages or files missing, unsafe OME-XML, no such series.
    AxesError
        The file does not name its axes, as a plain multi-page TIFF does not.
    """
    remarks: list[str] = []
    with reading(location.name, "TIFF file"), contextlib.ExitStack() as stack:
        target: Any = stack.enter_context(location.open()) if location.remote else location.path
        tif, xml = open_tiff(stack, target, location.name, axes, remarks)
        only_scene(scene, len(tif.series), location.name)
        series = tif.series[scene]
        check_shaped(series, location.name)
        counts = None
        samples: Samples
        if tif.is_imagej and xml is None and series.kind in ("imagej", "generic", "uniform"):
            counts = ImageJCounts(tif.imagej_metadata or {}, series.keyframe.samplesperpixel)
            check_imagej(tif, series, counts, location.name)
        check_pages(series, location.name, missing_files(xml, target))
        stored, meta = _describe(tif, scene, xml, location.name, remarks)
        if counts is not None and counts.stated > planes_of(series):
            samples, stored = run_of(tif, counts.stated), None
        else:
            _spare(tif, series, location.name, remarks)
            samples = samples_of(tif, series, location.name)
        images = tuple(i for i, s in enumerate(tif.series) if not _aside(s)) or (scene,)
        if len({*images, scene}) > 1 and not _aside(series):
            remarks.insert(0, several_images(len(images), scene, meta.name or series.name))
        close = stack.pop_all().close
        what = "TIFF file"
        image = build(samples, what, stored, axes, meta, location.name, remarks, close=close)
        return replace(image, images=images, files=files_of(xml, target))


_ASIDE = ("thumbnail", "label", "macro", "map", "overview", "label image", "macro image")


def _aside(series: Any) -> bool:
    """Whether a series is a slide's label or overview, or a smaller copy: no image of its own."""
    return bool(series.keyframe.is_reduced) or series.name.strip().lower() in _ASIDE


def _spare(tif: Any, series: Any, name: str, remarks: list[str]) -> None:
    """Refuse a series of too few pages, and remark on those that its description does not state."""
    stated = planes_of(series)
    pages = stated if series.dataoffset is not None else len(series)
    if pages < stated:
        raise incomplete(name, f"{pages} planes", f"{stated} planes")
    spare = pages - stated
    if series.kind == "ome":
        spare = spare_pages(tif)
    elif series.kind == "imagej" and series.dataoffset is None:
        spare = max(spare, len(tif.pages) - stated)
    if spare > 0:
        remarks.append(
            f"the file has {spare} page{'s' if spare > 1 else ''} more than its description "
            "states: left out"
        )


def _describe(
    tif: Any, scene: int, xml: str | None, name: str, remarks: list[str]
) -> tuple[str | None, Metadata]:
    """Axes (None: not known) and metadata of a series."""
    series = tif.series[scene]
    page = series.keyframe
    stored: str | None = series.axes
    meta = Metadata()
    if xml is not None:
        number = image_number(xml, tif, scene)
        if number is None:
            remarks.append("the OME-XML does not tell which image this is: it is left out")
        else:
            meta = parse_ome_xml(xml, number, file=name, remarks=remarks)
            stated = stated_planes(xml, number)
            if series.kind != "ome" and stated > planes_of(series):
                raise incomplete(
                    name, f"{planes_of(series)} pages", f"{stated} planes (OME-XML: Z × C × T)"
                )
        if series.kind != "ome":  # tifffile could not make sense of the OME-XML
            stored = None
    table = page.colormap if page.photometric == 3 else None
    if series.kind == "imagej":
        info = dict(tif.imagej_metadata or {})
        if table is not None and not info.get("LUTs"):
            info["LUTs"] = [table]
        meta = imagej_metadata(info, _resolution(page), series.axes, series.shape, remarks)
    scale = dict(meta.scale)
    if not scale.keys() & set("XY") and series.kind != "imagej":
        own = vendor_scale(tif, series.kind)
        scale |= own
        if not own.keys() & set("XY"):
            size, doubts = pixel_size(page)
            scale |= size
            remarks.extend(doubts)
    channels = meta.channels
    if table is not None and series.kind != "imagej":
        color = ramp_color(table)
        table = None if color else table
        channels = channels or (Channel(None, color if color != "#FFFFFF" else None),)
    remarks.extend(sample_remarks(page, table=table is not None and series.kind != "imagej"))
    if "S" in series.axes and "C" not in series.axes:
        channels = sample_channels(page, series.shape[series.axes.index("S")])
        stored = stored and stored.replace("S", "C")
    return stored, replace(meta, scale=scale, channels=channels)


def _resolution(page: Any) -> tuple[float, float]:
    """Pixels per unit along X and Y; 0 where the tags do not say."""
    x, y = (rational(page.tags.valueof(code)) or 0.0 for code in (282, 283))
    return x, y
