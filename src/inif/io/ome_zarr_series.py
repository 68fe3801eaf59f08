"""Stores of several images, as bioformats2raw writes them: which group, and which OME-XML.

Groups need not be numbered from 0 on, nor all be there. What ties a group to an image of the
OME-XML is what the store itself says: the order of its "series" list, or the identifiers of the
images. Where neither does, no image's metadata are used, and that is said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from inif.errors import InifError, InputError
from inif.image import Metadata
from inif.io.ome import Element, children, parse_ome_xml, parse_tree

if TYPE_CHECKING:
    from inif.io.ome_zarr_store import Watched

OME_XML = "OME/METADATA.ome.xml"
"""Where Bio-Formats' converter, and the writer here, keep the source's OME-XML."""

MAX_PROBES = 64
"""Groups that are looked for, by number, in a store that cannot be listed."""


def series_of(store: Watched, group: Any, name: str) -> tuple[list[str], bool]:
    """Paths of a store's image groups, and whether its "series" list names them.

    Without a list they are the groups that are there, ordered by number; in a store that cannot be
    listed (a web server), those that are there from "0" on.

    Raises
    ------
    InputError
        The list holds something else than paths inside the store.
    """
    ome = node_at(store, "OME")
    attributes = {} if ome is None else dict(ome.attrs)
    inner = attributes.get("ome")
    series = (inner if isinstance(inner, Mapping) else attributes).get("series")
    if series is not None:
        good = isinstance(series, list) and all(
            isinstance(s, str) and s.strip("/") and not s.startswith("/") and ".." not in s
            for s in series
        )
        if not good or not series:
            raise InputError(
                "the OME-Zarr metadata are damaged",
                file=name,
                field="OME: series",
                expected="a list of paths inside the store",
                got=json.dumps(series),
            )
        return [s.strip("/") for s in series], True
    found: list[str] = []
    if store.supports_listing:
        found = [key for key in group.group_keys() if key != "OME"]
        found.sort(key=lambda key: (not key.isdecimal(), int(key) if key.isdecimal() else 0, key))
    if not found:
        numbers = map(str, range(MAX_PROBES))
        found = list(takewhile(lambda path: node_at(store, path) is not None, numbers))
    return found, False


def node_at(store: Watched, path: str) -> Any:
    """The group or array at a path of a store; None if there is none."""
    import zarr

    try:
        return zarr.open(store, path=path, mode="r")
    except (FileNotFoundError, KeyError):
        return None


def pick_series(store: Watched, group: Any, scene: int, name: str) -> tuple[Any, list[str], bool]:
    """The group of image number `scene`, and what `series_of` gives.

    Raises
    ------
    InputError
        There is no such image, or its group is missing.
    """
    paths, listed = series_of(store, group, name)
    fix = "check that the store is complete, or export it again"
    if not paths:
        raise InputError(
            "this store says that it holds images, but none is there",
            file=name,
            expected='groups "0", "1", …, or a list "series" in OME',
            fix=fix,
        )
    if not 0 <= scene < len(paths):
        raise InputError(
            "there is no such image in this file",
            file=name,
            field="--series (in Python: scene)",
            expected=f"0 … {len(paths) - 1}, for the groups {', '.join(paths)}",
            got=scene,
        )
    image = node_at(store, paths[scene])
    if image is None:
        raise InputError(
            f'the image "{paths[scene]}" that the list "series" names is missing',
            file=name,
            field="OME: series",
            got=", ".join(paths),
            fix=fix,
        )
    return image, paths, listed


def image_of_group(
    ids: Sequence[str | None], paths: Sequence[str], index: int, *, listed: bool
) -> int | None:
    """The number of the OME-XML's image that describes a group; None where nothing says which.

    Parameters
    ----------
    ids
        Identifiers of the images, in order: "Image:0".
    paths
        Of the groups; `index` is the wanted one.
    listed
        Whether `paths` are the store's own list, whose order is that of the images.
    """
    matches = [[i for i, ident in enumerate(ids) if ident in (f"Image:{p}", p)] for p in paths]
    named = all(len(m) == 1 for m in matches)
    counted = list(ids) == [f"Image:{i}" for i in range(len(ids))]
    if listed and len(ids) == len(paths) and (counted or not named):
        return index  # identifiers that only count the images say no more than their order
    if named:
        return matches[index][0]
    return 0 if len(ids) == len(paths) == 1 else None


def with_xml(
    meta: Metadata,
    raw: bytes | None,
    paths: Sequence[str],
    index: int,
    axes: str,
    shape: Sequence[int],
    *,
    listed: bool,
) -> tuple[Metadata, list[str]]:
    """`meta` with the store's OME-XML, which also fills what OME-Zarr does not say, and remarks.

    An OME-XML that cannot be read, does not say which of its images this is, or describes one of
    other sizes, is not used.
    """
    if raw is None:
        return meta, []
    xml = raw.decode("utf-8", "replace")
    unused = f"{OME_XML} was not used"
    try:
        images = children(parse_tree(xml), "Image")
        number = image_of_group([i.get("ID") for i in images], paths, index, listed=listed)
        if number is None and meta.name:
            alike = [i for i, image in enumerate(images) if image.get("Name") == meta.name]
            number = alike[0] if len(alike) == 1 else None
        if number is None:
            group = f'the group "{paths[index]}" is' if paths[index] else "this is"
            return meta, [f"{unused}: it does not say which of its {len(images)} images {group}"]
        said = parse_ome_xml(xml, number)
    except InifError as error:
        return meta, [f"{unused}: {error.problem}"]
    if differ := _other_sizes(images[number], axes, shape):
        return meta, [f"{unused}: it describes an image of other sizes, {differ}"]
    scale = {**said.scale, **meta.scale}
    return Metadata(meta.name or said.name, scale, meta.channels or said.channels, xml), []


def _other_sizes(image: Element, axes: str, shape: Sequence[int]) -> str:
    """What an Image element says of its sizes that is not so; empty where all fits."""
    pixels = next(iter(children(image, "Pixels")), None)
    stated = {a: str(pixels.get(f"Size{a}")) for a in "TCZYX"} if pixels is not None else {}
    if not stated or not all(n.isdecimal() and len(n) < 16 for n in stated.values()):
        return ""
    sizes = {a: int(n) for a, n in stated.items()}
    if axes:
        found = dict(zip(axes, shape, strict=True))
        same = all(n == found.get(a, 1) for a, n in sizes.items())
    else:
        same = sorted(n for n in sizes.values() if n > 1) == sorted(n for n in shape if n > 1)
    return "" if same else " × ".join(f"{a} {n}" for a, n in sizes.items())
