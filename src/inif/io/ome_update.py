"""The source's OME-XML, brought up to date for the image that is written.

Instruments, objectives, acquisition dates and annotations are worth keeping, but sizes, types,
planes and channels must describe the written image, which may be a slice of the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from inif.errors import InputError
from inif.image import Channel, Metadata
from inif.io.ome import (
    NAMESPACE,
    STEPS,
    Element,
    annotate_steps,
    children,
    describe_channel,
    describe_pixels,
    keep_image,
    local,
    parse_tree,
    serialise,
    storage,
    to_ome_xml,
    xml_text,
)

_STORAGE = ("BinData", "TiffData", "MetadataOnly")


def ome_document(
    image_shape: Sequence[int],
    axes: str,
    dtype: np.dtype[Any] | str,
    meta: Metadata,
    *,
    tiff: bool = False,
) -> str:
    """OME-XML for an image: `meta.ome_xml` updated where possible, else a minimal document.

    The source's document is used if it is of schema 2016-06 and says clearly which of its images
    this is (it has one, or one of this name); that image alone is kept, with all it refers to.
    The parameters are those of `to_ome_xml`.

    Raises
    ------
    InputError
        OME has no name for this sample type.
    """
    if meta.ome_xml:
        try:
            updated = _update(meta.ome_xml, image_shape, axes, dtype, meta, tiff=tiff)
        except InputError:
            updated = None
        if updated is not None:
            return updated
    return to_ome_xml(image_shape, axes, dtype, meta, tiff=tiff)


def _update(
    xml: str,
    shape: Sequence[int],
    axes: str,
    dtype: np.dtype[Any] | str,
    meta: Metadata,
    *,
    tiff: bool,
) -> str | None:
    root = parse_tree(xml)
    image = _the_image(root, meta)
    if image is None:
        return None
    pixels = children(image, "Pixels")
    keep_image(root, image)
    _remove_steps(root, image)
    root.attrib.pop("UUID", None)
    root.set("Creator", "inif")
    if meta.name:
        image.set("Name", xml_text(meta.name))
    _update_pixels(pixels[0], shape, axes, dtype, meta, tiff=tiff)
    annotate_steps(root, image, meta)
    return serialise(root)


def can_update(meta: Metadata) -> bool:
    """Whether `ome_document` can bring the source's own document up to date."""
    try:
        return bool(meta.ome_xml) and _the_image(parse_tree(meta.ome_xml or ""), meta) is not None
    except InputError:
        return False


def _the_image(root: Element, meta: Metadata) -> Element | None:
    """The element to bring up to date, if the schema is known and it is clear which it is."""
    images = children(root, "Image")
    if len(images) > 1:
        images = [e for e in images if meta.name and e.get("Name") == meta.name]
    clear = len(images) == 1 and len(children(images[0], "Pixels")) == 1
    return images[0] if clear and root.tag == f"{{{NAMESPACE}}}OME" else None


def _update_pixels(
    pixels: Element,
    shape: Sequence[int],
    axes: str,
    dtype: np.dtype[Any] | str,
    meta: Metadata,
    *,
    tiff: bool,
) -> None:
    facts = ("SizeX", "SizeY", "SizeC", "SizeZ", "SizeT")
    before = {k: pixels.get(k) for k in (*facts, "Type")}
    describe_pixels(pixels, shape, axes, dtype, meta)
    for key in ("BigEndian", "Interleaved"):
        pixels.attrib.pop(key, None)
    if pixels.get("Type") != before["Type"]:
        pixels.attrib.pop("SignificantBits", None)
    channels = _update_channels(pixels, meta)
    same_size = all(pixels.get(k) == before[k] for k in facts)
    rest = [
        e
        for e in pixels
        if local(e) not in ("Channel", *_STORAGE) and (same_size or local(e) != "Plane")
    ]
    pixels[:] = [*channels, storage(shape, axes, tiff=tiff), *rest]


def _update_channels(pixels: Element, meta: Metadata) -> list[Element]:
    """One Channel element per channel: the source's own, found by place or by name, or new ones."""
    count = int(pixels.get("SizeC", "1"))
    old = children(pixels, "Channel")
    stated = meta.channels if len(meta.channels) == count else (Channel(),) * count
    in_place = len(old) == count and all(
        new.name in (None, e.get("Name")) for e, new in zip(old, stated, strict=True)
    )
    out: list[Element] = []
    for index, new in enumerate(stated):
        same = [e for e in old if new.name and e.get("Name") == new.name]
        if in_place:
            element = old[index]
        elif len(same) == 1 and same[0] not in out:
            element = same[0]
        else:
            element = Element("Channel", {"ID": f"Channel:inif:{index}"})
        element.set("SamplesPerPixel", "1")
        describe_channel(element, new)
        out.append(element)
    return out


def _remove_steps(root: Element, image: Element) -> None:
    """Take out the annotation of an earlier `annotate_steps`."""
    for outer in children(root, "StructuredAnnotations"):
        stale = {e.get("ID") for e in outer if e.get("Namespace") == STEPS}
        _remove(outer, lambda e: e.get("Namespace") == STEPS)
        _remove(image, lambda e, s=stale: local(e) == "AnnotationRef" and e.get("ID") in s)


def _remove(parent: Element, unwanted: Any) -> None:
    parent[:] = [e for e in parent if not unwanted(e)]
