"""The documents of a tree: everything of the output but the samples.

They follow from the plan alone. Writing them again gives the same bytes, so that a job that was
stopped can begin by writing them once more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from inif.errors import InputError
from inif.outputs import write_file
from inif.scale.plan import ArrayPlan, Tree

PROVENANCE = "inif"
"""Attribute of the root that says how the store came about."""

_DOCUMENT = "zarr.json"


def write_skeleton(
    tree: Tree,
    folder: str | os.PathLike[str],
    codecs: Mapping[str, Mapping[str, Any]],
    provenance: Mapping[str, Any],
) -> int:
    """Write every ``zarr.json`` and every other file of a tree, but no samples.

    Parameters
    ----------
    folder
        The store; it is made if it is not there. Documents that are there already are replaced.
    codecs
        Of each array, by its path, the codec that turns a chunk into bytes, as zarr.json has it.
    provenance
        What the root says of how it was made. Where the input says such a thing itself, that is
        kept in it as "earlier".

    Returns
    -------
    int
        Bytes of all these files.

    Raises
    ------
    InputError
        A file of the input is gone, or the operating system refuses (disk full, …).
    """
    total = 0
    for key, data in documents(tree, codecs, provenance):
        path = os.path.join(os.fspath(folder), *key.split("/"))
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            same = os.path.isfile(path) and _read(path) == data
        except OSError as error:
            raise InputError(
                "the output cannot be written", file=path, got=error.strerror or error
            ) from error
        if not same:
            write_file(path, data, overwrite=True)
        total += len(data)
    return total


def documents(
    tree: Tree, codecs: Mapping[str, Mapping[str, Any]], provenance: Mapping[str, Any]
) -> Iterator[tuple[str, bytes]]:
    """Key and value of each file of a tree, the root's document last: with it the store is one."""
    yield from ((key, file.read()) for key, file in tree.files.items())
    for plan in tree.arrays:
        yield f"{plan.path}/{_DOCUMENT}", array_document(plan, codecs[plan.path])
    groups: dict[str, Mapping[str, Any]] = {p: {} for p in _parents(tree)} | dict(tree.groups)
    for path in sorted(groups, reverse=True):
        attributes = dict(groups[path])
        if not path:
            earlier = attributes.get(PROVENANCE)
            said = dict(provenance) if earlier is None else {**provenance, "earlier": earlier}
            attributes[PROVENANCE] = said
        body = {"attributes": attributes, "zarr_format": 3, "node_type": "group"}
        yield f"{path}/{_DOCUMENT}".lstrip("/"), json.dumps(body, indent=2).encode()


def array_document(plan: ArrayPlan, codec: Mapping[str, Any]) -> bytes:
    """The ``zarr.json`` of an array: sharded, its chunks coded by `codec`."""
    fill = plan.fill_value.item() if isinstance(plan.fill_value, np.generic) else plan.fill_value
    names = plan.dimension_names
    blank = _blank(plan.shape, plan.dtype, plan.chunks, plan.shards, fill, names)
    body = json.loads(blank)
    (shard,) = body["codecs"]
    shard["configuration"]["codecs"] = [dict(codec)]
    body["attributes"] = dict(plan.attributes)
    return json.dumps(body, indent=2).encode()


@lru_cache(maxsize=64)
def _blank(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    chunks: tuple[int, ...],
    shards: tuple[int, ...],
    fill_value: Any,
    names: tuple[str | None, ...] | None,
) -> bytes:
    """The document as Zarr writes it, with chunks as they are and without attributes.

    The arrays of a plate share a few of them.
    """
    import zarr
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync
    from zarr.storage import MemoryStore

    store = MemoryStore()
    zarr.create_array(
        store,
        shape=shape,
        dtype=dtype,
        chunks=chunks,
        shards=shards,
        compressors=None,
        filters=None,
        fill_value=fill_value,
        dimension_names=names,
        zarr_format=3,
    )
    value = sync(store.get(_DOCUMENT, default_buffer_prototype()))
    assert value is not None
    return bytes(value.to_bytes())


def _parents(tree: Tree) -> set[str]:
    """Paths of all groups that arrays and groups lie in."""
    found = {""}
    for path in (*tree.groups, *(plan.path for plan in tree.arrays)):
        parts = path.split("/")
        found |= {"/".join(parts[:end]) for end in range(len(parts))}
    return found


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
