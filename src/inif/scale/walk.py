"""The groups and arrays of an OME-Zarr hierarchy, visited from its root.

What OME-Zarr's metadata name is visited first, in their order: on a web server there is no other
way to find it. Where the store can be listed, what else it holds comes after that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from inif.errors import InputError
from inif.io.common import only_scene, several_images
from inif.io.location import Location, join
from inif.io.ome_zarr import LABELS, damaged_metadata
from inif.io.ome_zarr_series import OME_XML, series_of
from inif.scale.hierarchy import Hierarchy, Node
from inif.scale.multiscale import Settings, multiscale
from inif.scale.plan import ArrayPlan, Tree
from inif.scale.source import StoreFile
from inif.scale.translate import ome_of, translated


def read_hierarchy(
    location: Location, settings: Settings, scene: int | None, *, zipped: bool
) -> Tree | None:
    """The tree of an OME-Zarr hierarchy; None if it holds no image that metadata describe.

    Raises
    ------
    InputError
        Damaged or incomplete metadata, or samples that no array can hold.
    AxesError
        An image whose axes are not known.
    """
    hierarchy = Hierarchy(location, zipped=zipped)
    try:
        walk = _Walk(hierarchy, location, settings)
        node = hierarchy.node("")
        if node is None or node.is_array:
            return None
        remarks = walk.choose(scene) if scene is not None else []
        walk.visit(walk.base)
        if not walk.arrays:
            return None
        if not hierarchy.listed:
            walk.remarks.append(
                "this server does not list what it holds: only what OME-Zarr's metadata name, and "
                f"{OME_XML}, is taken"
            )
        return Tree(
            *(walk.groups, tuple(walk.arrays), walk.files, (*remarks, *walk.remarks)),
            *(hierarchy.name, max(walk.versions, default=None)),
        )
    finally:
        hierarchy.close()


class _Walk:
    """The visit of one hierarchy, and what was found so far.

    Attributes
    ----------
    base
        Path of the group that becomes the root.
    entry
        Number of the only entry of the root's "multiscales" to take; None: all.
    """

    def __init__(self, hierarchy: Hierarchy, location: Location, settings: Settings) -> None:
        self._in, self._settings, self._location = hierarchy, settings, location
        self.base = ""
        self.entry: int | None = None
        self._taken: set[str] = set()
        self.groups: dict[str, Mapping[str, Any]] = {}
        self.arrays: list[ArrayPlan] = []
        self.files: dict[str, StoreFile] = {}
        self.remarks: list[str] = []
        self.versions: set[str] = set()

    def choose(self, scene: int) -> list[str]:
        """Take one image only, of a store of several series or of an entry of "multiscales"."""
        name = self._in.name
        ome = self._ome("")
        if "bioformats2raw.layout" in ome:
            paths, _ = series_of(self._in.store, self._in.group(""), name)
            only_scene(scene, len(paths), name)
            self.base = paths[scene]
            if self._in.node(self.base) is None:
                raise InputError(
                    "this image of the store is missing",
                    file=name,
                    field=self.base,
                    fix="check that the store is complete, or export it again",
                )
            return [several_images(len(paths), scene, f"group {self.base}")]
        images = ome.get("multiscales")
        count = len(images) if isinstance(images, list) else 1
        only_scene(scene, count, name)
        self.entry = scene
        return [several_images(count, scene)] if count > 1 else []

    def visit(self, path: str) -> None:
        """Take a group, and all that lies in it."""
        out = self._out(path)
        node = self._in.node(path)
        if node is None or node.is_array or out in self.groups:
            return
        place = path or self._location.path.split("?")[0].rstrip("/")
        attributes, version = translated(node.attributes, place, self._in.name)
        self.groups[out] = attributes
        if version is not None:
            self.versions.add(version)
        ome = ome_of(attributes)
        if "multiscales" in ome:
            found = multiscale(
                *(self._in, path, out, attributes, version, self._settings),
                entry=self.entry if path == self.base else None,
                labels="image-label" in ome or self._in_labels(path),
            )
            self.groups[out] = found.attributes
            self.arrays += found.arrays
            self.remarks += found.remarks
            self._taken |= found.paths
            for inner in sorted(found.paths):
                self._visit_between(path, inner)
        for child, said in self._named(path, ome):
            self._visit_between(path, child)
            if self._in.node(child) is not None:
                self.visit(child)
            elif said:
                self.remarks.append(f"{self._out(child)} is not there, though {said} names it")
        for name in self._in.names(path):
            self._other(f"{path}/{name}".lstrip("/"))
        key = f"{path}/{OME_XML}".lstrip("/")
        if not self._in.listed and path == self.base and self._in.holds(key):
            self.files[OME_XML] = self._in.file(key)

    def _visit_between(self, path: str, inner: str) -> None:
        """Take the groups that lie between a group and something in it."""
        parts = inner.removeprefix(path).strip("/").split("/")[:-1]
        for end in range(1, len(parts) + 1):
            self.visit("/".join(filter(None, [path, *parts[:end]])))

    def _named(self, path: str, ome: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Groups that a group's metadata name, and where; "" for those that need not be there."""
        for key, parts in (("plate", "wells"), ("well", "images")):
            body = ome.get(key)
            entries = body.get(parts) if isinstance(body, Mapping) else None
            for entry in entries if isinstance(entries, list) else []:
                child = entry.get("path") if isinstance(entry, Mapping) else None
                yield self._child(path, child, f"{key}: {parts}"), f'the list "{parts}"'
        labels = ome.get("labels")
        for child in labels if isinstance(labels, list) else []:
            yield self._child(path, child, "labels"), 'the list "labels"'
        if "multiscales" in ome:
            yield f"{path}/labels".lstrip("/"), ""
        if "bioformats2raw.layout" in ome:
            yield f"{path}/OME".lstrip("/"), ""
            if not path:
                for child in series_of(self._in.store, self._in.group(""), self._in.name)[0]:
                    yield child, 'the list "series"'

    def _child(self, path: str, child: object, field: str) -> str:
        good = isinstance(child, str) and child.strip("/")
        if not good or ".." in str(child).split("/") or str(child).startswith("/"):
            raise damaged_metadata(self._in.name, f"{path or 'root'}: {field}", "paths inside it")
        return f"{path}/{child}".strip("/")

    def _other(self, path: str) -> None:
        """Take what the metadata do not name: a group, an array or a file."""
        out = self._out(path)
        if out in self.groups or path in self._taken:
            return
        node = self._in.node(path)
        if node is not None and not node.is_array and self._holds_images(path, node):
            self.visit(path)
            return
        if node is not None:
            kind = "array" if node.is_array else "group"
            self.remarks.append(
                f"the {kind} {out} belongs to no image of OME-Zarr: it is copied file by file, in "
                "its own version of Zarr"
            )
        self.files |= {self._out(key): self._in.file(key) for key in self._in.keys(path)}

    def _holds_images(self, path: str, node: Node) -> bool:
        """Whether a group, or a group in it, says something of OME-Zarr."""
        if ome_of(translated(node.attributes, path, self._in.name)[0]):
            return True
        for name in self._in.names(path):
            child = f"{path}/{name}"
            inside = self._in.node(child)
            if inside and not inside.is_array and self._holds_images(child, inside):
                return True
        return False

    def _in_labels(self, path: str) -> bool:
        """Whether OME-Zarr keeps labels at this place."""
        whole = join(self._location.path, path).split("?")[0]
        return "labels" in path.split("/")[:-1] or bool(LABELS.search(whole))

    def _ome(self, path: str) -> Mapping[str, Any]:
        node = self._in.node(path)
        return {} if node is None else ome_of(translated(node.attributes, path, self._in.name)[0])

    def _out(self, path: str) -> str:
        """The path in the output of what has this one in the input."""
        return path.removeprefix(self.base).lstrip("/") if self.base else path
