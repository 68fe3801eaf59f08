"""OME-XML as files really hold it: found, decoded, mended where that is safe, or given up.

Microscopes write control characters, bytes of old encodings and bare ampersands into names, and
copies end in the middle. The samples beside such a text are sound.
"""

from __future__ import annotations

import html
import re
from typing import Any

from inif.io.common import one_line
from inif.io.ome import MAX_XML, DamagedXMLError, parse_tree

_END = re.compile(r"</(?:\w+:)?OME\s*>")
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REFERENCE = re.compile(r"&(#x[0-9A-Fa-f]+|#[0-9]+|[A-Za-z]\w*);|&")
_BASIC = ("amp", "lt", "gt", "quot", "apos")


def description(page: Any) -> str:
    """The description of a TIFF page: UTF-8, and single bytes that are not by Latin-1.

    tifffile reads all of a text by another encoding where one byte is wrong.
    """
    tag = page.tags.get(270)
    if tag is None or tag.count > 4 * MAX_XML:
        return str(page.description or "")
    handle = page.parent.filehandle
    handle.seek(tag.valueoffset)
    raw = handle.read(tag.count).partition(b"\0")[0]
    text = raw.decode("utf-8", "surrogateescape")
    return re.sub("[\udc80-\udcff]", lambda m: chr(ord(m[0]) - 0xDC00), text).strip()


def is_ome(text: str) -> bool:
    """Whether a description is meant to be OME-XML, sound or not."""
    start = text[:8192].lstrip("\ufeff \t\r\n")
    return start.startswith("<") and bool(re.search(r"<(?:\w+:)?OME[\s>/]", start))


def mended(text: str, *, file: object, remarks: list[str]) -> str:
    """The document, without what XML does not allow in it; a remark says so.

    Raises
    ------
    DamagedXMLError
        It is not well-formed even then.
    InputError
        It is too large, or not safe to read.
    """
    try:
        parse_tree(text, file=file)
    except DamagedXMLError as error:
        better, count = _mend(text)
        try:
            parse_tree(better, file=file)
        except DamagedXMLError:
            raise error from None
        remarks.append(
            f"the OME-XML is damaged ({one_line(str(error.got))}); it was mended in {count} "
            f"place{'s' if count > 1 else ''} by leaving out what XML does not allow"
        )
        return better
    return text


def _mend(text: str) -> tuple[str, int]:
    """The text without illegal characters and references, and how many places were changed."""
    changes = 0

    def reference(match: re.Match[str]) -> str:
        nonlocal changes
        name = match[1] or ""
        if name.startswith("#"):
            digits = name[2:] if name[1:2] in "xX" else name[1:]
            code = int(digits[:9], 16 if name[1:2] in "xX" else 10)
            if code < 0x110000 and not _ILLEGAL.match(chr(code)):
                return match[0]
            changes += 1
            return ""
        if name in _BASIC:
            return match[0]
        changes += 1
        meaning = html.unescape(match[0])
        return meaning if name and meaning != match[0] else "&amp;" + match[0][1:]

    ends = list(_END.finditer(text))
    whole = text.lstrip("\ufeff \t\r\n")
    if ends:
        cut = len(text) - ends[-1].end()
        whole = whole[: len(whole) - cut] if cut else whole
    changes += whole != text.strip()
    whole, count = _ILLEGAL.subn("", whole)
    changes += count
    whole = _REFERENCE.sub(reference, whole)
    inside = re.sub(r'="[^"<]*<[^"]*"', lambda m: m[0].replace("<", "&lt;"), whole)
    return inside, max(changes + (inside != whole), 1)
