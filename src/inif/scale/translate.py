"""Attributes of a group as OME-Zarr 0.5 has them: what OME-Zarr means moves, the rest stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inif.errors import InputError

VERSION = "0.5"

_KEYS = ("multiscales", "omero", "plate", "well", "image-label", "bioformats2raw.layout")
_OBJECTS = ("omero", "plate", "well", "image-label")
"""Those that mean something else unless they are objects."""

_PLACED = {"labels": "labels", "OME": "series"}
"""Names that are OME-Zarr's in the group of this name only."""

_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def ome_of(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """What OME-Zarr 0.5 says in a group's attributes."""
    ome = attributes.get("ome")
    return ome if isinstance(ome, Mapping) else {}


def translated(
    attributes: Mapping[str, Any], path: str, name: str
) -> tuple[dict[str, Any], str | None]:
    """A group's attributes as OME-Zarr 0.5, and the version that they state; None if they do not.

    From version 0.4 and before, the parts of OME-Zarr move under "ome" and lose their own versions
    (but a plate, which must have one). All else stays as it is.

    Raises
    ------
    InputError
        A version that came after 0.5.
    """
    out = dict(attributes)
    if isinstance(out.get("ome"), Mapping):
        version = str(out["ome"].get("version", VERSION))
        _check(version, path, name)
        out["ome"] = {**out["ome"], "version": VERSION}
        return out, version
    placed = _PLACED.get(path.rpartition("/")[2])
    found = [
        key
        for key, value in attributes.items()
        if key == placed or (key in _KEYS and (key not in _OBJECTS or isinstance(value, Mapping)))
    ]
    if not found:
        return out, None
    ome: dict[str, Any] = {"version": VERSION}
    versions = []
    for key in found:
        ome[key], own = _without_version(out.pop(key))
        versions += own
    if isinstance(ome.get("plate"), Mapping):
        ome["plate"] = {**ome["plate"], "version": VERSION}
    for said in versions:
        _check(said, path, name)
    return {"ome": ome, **out}, max(versions, default=None)


def _check(version: str, path: str, name: str) -> None:
    known = ("0.1", "0.2", "0.3", "0.4", VERSION)
    if not version.startswith(known):
        raise InputError(
            "this version of OME-Zarr is not known",
            file=name,
            field=f"{path or 'the root'}: version",
            expected=", ".join(known),
            got=version,
        )


def _without_version(value: Any) -> tuple[Any, list[str]]:
    """A part of the metadata without its version, or of a list without theirs; and the versions."""
    if isinstance(value, list):
        parts = [_without_version(v) for v in value]
        return [p for p, _ in parts], [v for _, versions in parts for v in versions]
    if not isinstance(value, Mapping) or not isinstance(value.get("version"), str):
        return value, []
    return {k: v for k, v in value.items() if k != "version"}, [value["version"]]


def with_axes(image: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """An entry of "multiscales" whose axes are objects, as they are from version 0.4 on.

    Parameters
    ----------
    names
        Of the axes, as versions before that give or mean them.
    """
    axes = image.get("axes")
    if isinstance(axes, list) and axes and all(isinstance(a, Mapping) for a in axes):
        return dict(image)
    entries = [
        {"name": n, "type": _TYPES[n.lower()]} if n.lower() in _TYPES else {"name": n}
        for n in names
    ]
    return {**image, "axes": entries}


def scaled(
    dataset: Mapping[str, Any], shape: Sequence[int], first: Sequence[int]
) -> dict[str, Any]:
    """A data set with a scale, which version 0.5 demands: by how much it is smaller than the first.

    One that states its place already comes back as it is.
    """
    if dataset.get("coordinateTransformations"):
        return dict(dataset)
    scale = [a / b for a, b in zip(first, shape, strict=True)]
    return {**dataset, "coordinateTransformations": [{"type": "scale", "scale": scale}]}
