"""OME-XML in TIFF files: which document holds, which files it names, which image is which.

An image of the document is tied to pages by what the document says of pages (TiffData: file, IFD,
count), never by its place in the document: images without pages here have no place among those that
can be read.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from inif.errors import InputError
from inif.io.common import one_line
from inif.io.ome import MAX_XML, DamagedXMLError, Element, children, local, parse_tree, serialise
from inif.io.ome_text import description, is_ome, mended
from inif.io.tiff_whole import check_chain


def open_tiff(
    stack: contextlib.ExitStack, target: Any, name: str, axes: str | None, remarks: list[str]
) -> tuple[Any, str | None]:
    """The file as tifffile's TiffFile, and its OME-XML if it has some that can be used.

    Raises
    ------
    InputError
        The chain of pages is broken, or the OME-XML cannot be used and nothing else names the axes.
    """
    import tifffile

    def again(**options: Any) -> Any:
        if hasattr(target, "seek"):
            target.seek(0)
        return stack.enter_context(tifffile.TiffFile(target, **options))

    tif = again()
    if not (tif.is_mmstack or tif.is_ndtiff):  # those find their pages by an index of their own
        check_chain(tif, name)
    text = description(tif.pages[0]) if len(tif.pages) else ""
    if not is_ome(text):
        return (again(is_ome=False) if tif.is_ome else tif), None
    notes: list[str] = []
    try:
        xml = _usable(text, target, name, notes)
        if xml != tif.ome_metadata:
            tif = again(omexml=xml)
        try:
            len(tif.series)  # newer releases look only when asked
        except Exception as error:  # tifffile believes what a document says
            raise DamagedXMLError(
                "the OME-XML makes no sense",
                file=name,
                field="OME-XML",
                got=f"{type(error).__name__}: {error}",
                fix="name the axes, as in --axes ZYX, to read the samples without it",
            ) from error
    except InputError as error:
        tif = again(is_ome=False)
        single = len(tif.pages) == 1 and isinstance(error, DamagedXMLError)
        if axes is None and not single:
            raise
        remarks.append(
            f"{error.problem}{f' ({one_line(error.got)})' if error.got else ''}: "
            "the OME-XML is left out, with the names and sizes in it"
        )
        return tif, None
    remarks.extend(notes)
    return tif, xml


def _usable(text: str, target: Any, name: str, notes: list[str]) -> str:
    """The document that describes this file, mended; of several files, perhaps from another."""
    xml = mended(text, file=name, remarks=notes)
    root = parse_tree(xml, file=name)
    part = next(iter(children(root, "BinaryOnly")), None)
    if part is not None:
        xml = mended(_companion(part, target, name), file=name, remarks=notes)
        root = parse_tree(xml, file=name)
    named = list(_files(root))
    for file in named:
        if os.path.isabs(file) or ".." in file.replace("\\", "/").split("/"):
            raise InputError(
                "the OME-XML names a file outside its folder",
                file=name,
                field="UUID FileName",
                got=file,
            )
    own = os.path.basename(name)
    entries = sum(local(e) == "TiffData" for e in root.iter())
    alone = len(set(named)) == 1 and len(named) == entries
    if alone and part is None and root.get("UUID") is None:
        (file,) = set(named)
        if file.lower() != own.lower() and not os.path.exists(_beside(target, file)):
            notes.append(
                f"the OME-XML calls this file “{one_line(file)}”; it is taken to have been renamed"
            )
            for element in root.iter():
                element[:] = [e for e in element if local(e) != "UUID"]
            return serialise(root)
    return xml


def _companion(part: Element, target: Any, name: str) -> str:
    """The text of the file that describes this one and its like."""
    file = part.get("MetadataFile") or ""
    inside = file and not os.path.isabs(file) and ".." not in file.replace("\\", "/").split("/")
    if inside and isinstance(target, str):
        try:
            with open(_beside(target, file), "rb") as opened:
                raw = opened.read(MAX_XML + 1)
            if not raw.startswith((b"II", b"MM")):
                return raw.decode("utf-8", "replace")
        except OSError:
            pass
    raise InputError(
        "this file is one part of an OME-TIFF of several files",
        file=name,
        field="BinaryOnly",
        got=f"described in {file}, which is not beside it" if file else None,
        fix=f"put {file} beside it, or read the TIFF file of this name; "
        "--axes reads this part alone",
    )


def _beside(target: Any, file: str) -> str:
    return os.path.join(os.path.dirname(target) if isinstance(target, str) else "", file)


def _files(root: Element) -> Iterator[str]:
    for element in root.iter():
        file = element.get("FileName") if local(element) == "UUID" else None
        if file:
            yield file


def missing_files(xml: str | None, target: Any) -> list[str]:
    """The files that a document names and that are not beside the one that was opened."""
    if xml is None or not isinstance(target, str):
        return []
    own = os.path.basename(target).lower()
    named = dict.fromkeys(_files(parse_tree(xml)))
    return [f for f in named if f.lower() != own and not os.path.exists(_beside(target, f))]


def files_of(xml: str | None, target: Any) -> tuple[str, ...]:
    """Paths of the files that a document names, where these are several."""
    if xml is None or not isinstance(target, str):
        return ()
    named = dict.fromkeys(_files(parse_tree(xml)))
    return tuple(_beside(target, file) for file in named) if len(named) > 1 else ()


def image_number(xml: str, tif: Any, scene: int) -> int | None:
    """The number of the OME Image whose pages a series has; None if that cannot be told.

    Its pages tell, then its name among those of the same pages, then its place among the series of
    the same pages.
    """
    root = parse_tree(xml)
    images = children(root, "Image")
    series = tif.series[scene]
    if series.kind != "ome":
        return scene if len(images) == len(tif.series) else 0 if len(images) == 1 else None
    page = next((p for p in series if p is not None), None)
    if page is None:
        return None
    found = [i for i, e in enumerate(images) if _covers(e, page, tif, root.get("UUID"))]
    named = [i for i in found if series.name and images[i].get("Name") == series.name]
    if len(named) == 1:
        return named[0]
    found = named or found
    before = [s for s in tif.series[:scene] if s.kind == "ome" and _same_page(s, page)]
    if named:
        before = [s for s in before if s.name == series.name]
    return found[len(before)] if len(before) < len(found) else None


def _same_page(series: Any, page: Any) -> bool:
    first = next((p for p in series if p is not None), None)
    return first is not None and (first.index, first.parent.filename) == (
        page.index,
        page.parent.filename,
    )


def _covers(image: Element, page: Any, tif: Any, own: str | None) -> bool:
    """Whether an Image says that one of its planes is in this page."""
    index = page.index if isinstance(page.index, int) else page.index[0]
    for pixels in children(image, "Pixels"):
        for data in children(pixels, "TiffData"):
            first = int(data.get("IFD", "0"))
            count = int(
                data.get("PlaneCount", data.get("NumPlanes", "1" if "IFD" in data.attrib else "0"))
            )
            if not first <= index or (count and index >= first + count):
                continue
            uuid = next(iter(children(data, "UUID")), None)
            if uuid is None or (own is not None and (uuid.text or "") == own):
                here = page.parent is tif
            else:
                here = (uuid.get("FileName") or "").lower() == page.parent.filename.lower()
            if here:
                return True
    return False


def stated_planes(xml: str, number: int) -> int:
    """How many TIFF pages an Image's sizes ask for; 0 if they cannot be read."""
    pixels = children(children(parse_tree(xml), "Image")[number], "Pixels")
    try:
        sizes = [int(pixels[0].get(f"Size{a}", "1")) for a in "ZCT"]
        channels = children(pixels[0], "Channel")
        samples = int(channels[0].get("SamplesPerPixel", "1")) if channels else 1
    except (IndexError, ValueError):
        return 0
    return sizes[0] * sizes[1] * sizes[2] // max(samples, 1)


def spare_pages(tif: Any) -> int:
    """How many pages of the file are part of no image of its OME-XML."""
    used = {
        (p.index, p.parent.filename)
        for series in tif.series
        for p in series
        if p is not None and p.parent is tif
    }
    return len(tif.pages) - len(used)
