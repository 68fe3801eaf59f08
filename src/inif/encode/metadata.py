"""Metadata that a file has room for: decided before any work, and said.

A header is read whole before anything else, and a small file has a small budget: names that are
longer than the image is worth must not make its compression fail.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import replace

from inif.container.spec import MAX_HEADER
from inif.container.validate import clean_text
from inif.image import Channel, Image, LazyImage, Metadata

LONGEST = 1000
"""Characters of a name or unit that are kept."""


def fitting(image: Image | LazyImage, budget: int | None) -> Image | LazyImage:
    """The image with metadata that its file has room for, and a remark on what was left out.

    Parameters
    ----------
    image
        Checked by `inif.image.check_image`.
    budget
        Bytes of the file; None where that is not known before the work. Metadata may take half.
    """
    meta, remarks = image.meta, list(image.remarks)
    texts = [meta.name, *(c.name for c in meta.channels), *(u for _, u in meta.scale.values())]
    if any(text is not None and len(text) > LONGEST for text in texts):
        remarks.append(f"names or units of more than {LONGEST} letters are cut to that")
        meta = replace(
            meta,
            name=_cut(meta.name),
            channels=tuple(Channel(_cut(c.name), c.color) for c in meta.channels),
            scale={a: (step, _cut(unit)) for a, (step, unit) in meta.scale.items()},
        )
    room = MAX_HEADER // 2 if budget is None else min(budget // 2, MAX_HEADER // 2)
    for what, smaller in (
        ("the names and colours of its channels", replace(meta, channels=())),
        ("its name", replace(meta, channels=(), name=None)),
    ):
        if _size(meta) <= room:
            break
        if smaller != meta:
            remarks.append(f"{what} take more than half of the file, and are left out")
            meta = smaller
    if meta == image.meta:
        return image
    return replace(image, meta=meta, remarks=tuple(remarks))


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _size(meta: Metadata) -> int:
    """Bytes that the metadata take in a header, about."""
    body = meta.to_json()
    if not body:
        return 0
    text = clean_text(json.dumps(body, ensure_ascii=False)).encode()
    return len(text) if len(text) > MAX_HEADER // 2 else len(zlib.compress(text, 9))
