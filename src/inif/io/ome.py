"""OME-XML (schema 2016-06) to `Metadata` and back.

Only the standard library's parser is used, and a document with a DTD is refused before it is
parsed into a tree: entities are the way to make a small file eat all memory. OME itself has none.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np

from inif.errors import InputError
from inif.image import Channel, Metadata
from inif.io.common import hex_color, one_line, rgb_channels
from inif.io.units import NO_UNIT, in_ome, symbol

MAX_XML = 16 << 20
"""Largest OME-XML that is read, in bytes."""

NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
STEPS = "inif/steps"
"""Namespace of the annotation with steps whose unit OME's attributes cannot say."""

PIXEL_TYPES = {
    "bool": "bit",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
    "float32": "float",
    "float64": "double",
    "complex64": "complex",
    "complex128": "double-complex",
}
"""NumPy dtype name → OME PixelType."""

Element = ElementTree.Element


class DamagedXMLError(InputError):
    """A document that is not well-formed; the samples that it describes may be sound."""


def parse_tree(xml: str, *, file: object = None) -> Element:
    """The root of an OME-XML document.

    Raises
    ------
    InputError
        Larger than 16 MiB, not well-formed, or with a document type declaration.
    """
    size = len(xml.encode("utf-8", "replace"))
    if size > MAX_XML:
        raise InputError(
            "the OME-XML is too large",
            file=file,
            field="OME-XML",
            expected=f"at most {MAX_XML} bytes",
            got=f"{size} bytes",
        )

    def refuse(*_: object) -> None:
        raise InputError(
            "the OME-XML has a document type declaration, which is not safe to read",
            file=file,
            field="OME-XML",
            fix="remove <!DOCTYPE …> from it",
        )

    scan = expat.ParserCreate()
    scan.StartDoctypeDeclHandler = refuse
    scan.EntityDeclHandler = refuse
    try:
        scan.Parse(xml, True)
        return ElementTree.fromstring(xml)
    except InputError:
        raise
    except (expat.ExpatError, ElementTree.ParseError, ValueError) as error:
        raise DamagedXMLError(
            "the OME-XML is damaged",
            file=file,
            field="OME-XML",
            got=error,
            fix="name the axes, as in --axes ZYX, to read the samples without it; or export again",
        ) from error


def local(element: Element) -> str:
    """An element's name without its namespace."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def children(element: Element, name: str) -> list[Element]:
    """The direct children of this local name."""
    return [e for e in element if local(e) == name]


def parse_ome_xml(
    xml: str, series: int = 0, *, file: object = None, remarks: list[str] | None = None
) -> Metadata:
    """Name, steps, channel names and colours of one image of an OME-XML document.

    Steps are in the units stated there (schema defaults: µm, s). Channels that store several
    samples (RGB) count as that many. `ome_xml` of the result is the document, of several images
    with this one alone. `remarks` gets a sentence for each value that is none.

    Raises
    ------
    InputError
        The document is unsafe, too large or damaged, or has no such image.
    """
    root = parse_tree(xml, file=file)
    images = children(root, "Image")
    if not 0 <= series < len(images):
        raise InputError(
            "the OME-XML describes no such image",
            file=file,
            field="Image",
            expected=f"at least {series + 1} of them",
            got=len(images),
        )
    image = images[series]
    pixels = next(iter(children(image, "Pixels")), None)
    scale: dict[str, tuple[float, str | None]] = {}
    channels: tuple[Channel, ...] = ()
    if pixels is not None:
        said = [] if remarks is None else remarks
        scale = dict(_steps(pixels, said))
        channels = tuple(c for e in children(pixels, "Channel") for c in _channels(e, said))
    scale.update(_annotated_steps(root, image))
    if len(images) > 1:
        keep_image(root, image)
        xml = serialise(root)
    return Metadata(image.get("Name") or None, scale, channels, xml)


_PLAIN = {
    "OME": ("Creator", "UUID", "schemaLocation"),
    "Image": ("ID", "Name"),
    "Pixels": ("ID", "DimensionOrder", "Type", "BigEndian", "Interleaved", "SignificantBits"),
    "Channel": ("ID", "Name", "Color", "SamplesPerPixel"),
    "TiffData": ("IFD", "PlaneCount", "FirstZ", "FirstC", "FirstT"),
    "UUID": ("FileName",),
    "LightPath": (),
    "MetadataOnly": (),
}
_MEASURES = re.compile("(Size|PhysicalSize|TimeIncrement)[CTXYZ]?(Unit)?")


def unkept_remark(xml: str | None) -> list[str]:
    """The remark on a document that is left out, if it says more than `Metadata` holds.

    That is all that it may say of the microscope, the sample, or single planes.
    """
    try:
        root = parse_tree(xml) if xml else Element("OME")
    except InputError:
        return []
    for outer in children(root, "StructuredAnnotations"):
        if all(e.get("Namespace") == STEPS for e in outer):  # written here, and held
            root.remove(outer)
            for image in children(root, "Image"):
                image[:] = [e for e in image if local(e) != "AnnotationRef"]
    if not any(_says_more(e) for e in root.iter()):
        return []
    return [
        f"the source's OME-XML ({len(xml or '')} characters) takes more than 1 % of the file: of "
        "what it says, the image's name, its steps, and names and colours of channels are kept"
    ]


def _says_more(element: Element) -> bool:
    known = _PLAIN.get(local(element))
    names = [key.rpartition("}")[2] for key in element.attrib]
    return known is None or any(n not in known and not _MEASURES.fullmatch(n) for n in names)


_GROUPS = ("Project", "Dataset", "Folder", "Plate", "Screen")


def keep_image(root: Element, image: Element) -> None:
    """Take out of a document all that belongs to its other images."""
    if len(children(root, "Image")) > 1:
        root[:] = [
            e for e in root if local(e) not in _GROUPS and (local(e) != "Image" or e is image)
        ]
    drop_prefix(root)


def drop_prefix(root: Element) -> None:
    """Write OME's elements without a prefix, so that every reader of OME-TIFF knows them."""
    space, bracket, _ = root.tag.rpartition("}")
    if not bracket:
        return
    for element in root.iter():
        if isinstance(element.tag, str) and element.tag.startswith(space + bracket):
            element.tag = element.tag[len(space + bracket) :]
    root.set("xmlns", space[1:])


def to_ome_xml(
    image_shape: Sequence[int],
    axes: str,
    dtype: np.dtype[Any] | str,
    meta: Metadata,
    *,
    tiff: bool = False,
) -> str:
    """A minimal OME-XML document for an image, with everything that `meta` holds.

    Parameters
    ----------
    image_shape, axes, dtype
        Shape in samples, one letter of "TCZYX" per axis, and sample type.
    meta
        Its `ome_xml` is not used.
    tiff
        Whether the document lies in a TIFF file whose pages are the planes in the order of `axes`;
        else it says that it comes without pixels.

    Raises
    ------
    InputError
        OME has no name for this sample type.
    """
    root = Element(
        "OME",
        {
            "xmlns": NAMESPACE,
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:schemaLocation": f"{NAMESPACE} {NAMESPACE}/ome.xsd",
            "Creator": "inif",
        },
    )
    image = ElementTree.SubElement(root, "Image", {"ID": "Image:0"})
    if meta.name:
        image.set("Name", xml_text(meta.name))
    pixels = ElementTree.SubElement(image, "Pixels", {"ID": "Pixels:0"})
    describe_pixels(pixels, image_shape, axes, dtype, meta)
    for index in range(int(pixels.get("SizeC", "1"))):
        channel = Element("Channel", {"ID": f"Channel:0:{index}", "SamplesPerPixel": "1"})
        describe_channel(channel, meta.channels[index] if index < len(meta.channels) else Channel())
        pixels.append(channel)
    pixels.append(storage(image_shape, axes, tiff=tiff))
    annotate_steps(root, image, meta)
    return serialise(root)


def describe_pixels(
    pixels: Element, shape: Sequence[int], axes: str, dtype: np.dtype[Any] | str, meta: Metadata
) -> None:
    """Set the order, type, sizes and steps of a Pixels element."""
    name = np.dtype(dtype).name
    if name not in PIXEL_TYPES:
        raise InputError(
            "OME-XML has no name for this sample type",
            field="dtype",
            expected=", ".join(PIXEL_TYPES),
            got=name,
        )
    slow = [a for a in reversed(axes) if a not in "YX"]
    order = "XY" + "".join(slow) + "".join(a for a in "CZT" if a not in slow)
    pixels.set("DimensionOrder", order)
    pixels.set("Type", PIXEL_TYPES[name])
    for axis in "XYCZT":
        pixels.set(f"Size{axis}", str(shape[axes.index(axis)] if axis in axes else 1))
    for axis in "XYZT":
        key = "TimeIncrement" if axis == "T" else f"PhysicalSize{axis}"
        if axis in axes:  # the thickness of a single plane stays
            pixels.attrib.pop(key, None)
            pixels.attrib.pop(key + "Unit", None)
        step, unit = meta.scale.get(axis, (None, None))
        if step is not None and in_ome(axis, step, unit):
            pixels.set(key, repr(float(step)))
            pixels.set(key + "Unit", unit or NO_UNIT)


def describe_channel(element: Element, channel: Channel) -> None:
    """Set what `channel` states; the rest of the element stays."""
    if channel.name:
        element.set("Name", xml_text(channel.name))
    if color := hex_color(channel.color):
        rgba = int(color, 16) << 8 | 0xFF
        element.set("Color", str(rgba - (1 << 32) if rgba >= 1 << 31 else rgba))


def storage(shape: Sequence[int], axes: str, *, tiff: bool) -> Element:
    """The element that says where the planes are: TiffData from page 0 on, or MetadataOnly."""
    if not tiff:
        return Element("MetadataOnly")
    planes = math.prod(n for a, n in zip(axes, shape, strict=True) if a not in "YX")
    return Element("TiffData", {"IFD": "0", "PlaneCount": str(planes)})


def annotate_steps(root: Element, image: Element, meta: Metadata) -> None:
    """Keep steps that the attributes of Pixels cannot say, in a map annotation."""
    rest = {a: [s, u] for a, (s, u) in meta.scale.items() if not in_ome(a, s, u)}
    if not rest:
        return
    found = children(root, "StructuredAnnotations")
    outer = found[0] if found else Element("StructuredAnnotations")
    if not found:  # the schema wants it before the regions of interest
        late = [i for i, e in enumerate(root) if local(e) == "ROI"]
        root.insert(late[0] if late else len(root), outer)
    ident = "Annotation:inif-steps"
    entry = ElementTree.SubElement(outer, "MapAnnotation", {"ID": ident, "Namespace": STEPS})
    value = ElementTree.SubElement(entry, "Value")
    for axis, step in rest.items():
        item = ElementTree.SubElement(value, "M", {"K": axis})
        item.text = xml_text(json.dumps(step, ensure_ascii=False))
    reference = Element("AnnotationRef", {"ID": ident})
    late = [i for i, e in enumerate(image) if local(e) == "MicrobeamManipulationRef"]
    image.insert(late[0] if late else len(image), reference)


def serialise(root: Element) -> str:
    """The document as text; elements carry no prefix, `xmlns` of the root says what they are."""
    body = ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'


def _steps(pixels: Element, remarks: list[str]) -> Iterator[tuple[str, tuple[float, str | None]]]:
    for axis in "XYZT":
        key = "TimeIncrement" if axis == "T" else f"PhysicalSize{axis}"
        step = _number(pixels.get(key))
        if step is None and pixels.get(key) is not None:
            said = one_line(pixels.get(key))
            remarks.append(f'{key}="{said}" of the OME-XML is no size of a step: left out')
        if step is not None:
            default = "s" if axis == "T" else "µm"
            unit = pixels.get(key + "Unit", default)
            yield axis, (step, None if unit == NO_UNIT else symbol(unit))


def _annotated_steps(root: Element, image: Element) -> Iterator[tuple[str, Any]]:
    wanted = {e.get("ID") for e in children(image, "AnnotationRef")}
    for outer in children(root, "StructuredAnnotations"):
        for entry in children(outer, "MapAnnotation"):
            if entry.get("Namespace") != STEPS or entry.get("ID") not in wanted:
                continue
            for item in (m for value in children(entry, "Value") for m in children(value, "M")):
                try:
                    step, unit = json.loads(item.text or "")
                    number = _number(step)
                except (ValueError, TypeError):
                    continue
                if item.get("K", "") in tuple("TCZYX") and number is not None:
                    yield item.get("K", ""), (number, unit if isinstance(unit, str) else None)


def _channels(element: Element, remarks: list[str]) -> tuple[Channel, ...]:
    samples = element.get("SamplesPerPixel", "1")
    count = int(samples) if samples.isdecimal() and len(samples) < 3 else 1
    if count > 1:
        return rgb_channels(count) or (Channel(),) * count
    color = _color(element.get("Color"))
    if color is None and element.get("Color") is not None:
        said = one_line(element.get("Color"))
        remarks.append(f'Color="{said}" of a channel of the OME-XML is no integer: left out')
    return (Channel(element.get("Name") or None, color),)


def _color(text: str | None) -> str | None:
    if text is None or not re.fullmatch(r"[+-]?\d{1,10}", text.strip()):
        return None
    return f"#{(int(text) & 0xFFFFFFFF) >> 8:06X}"


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number != 0 else None


def xml_text(text: str) -> str:
    """Text that XML 1.0 can hold: control characters and lone surrogates become U+FFFD."""
    return re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
