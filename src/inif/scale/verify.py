"""A store that is whole is checked against its manifest: every digest, and every chunk decoded."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from inif.errors import FormatError
from inif.fields.parallel import cores, in_order
from inif.scale import manifest
from inif.scale.check import Check, check_shard
from inif.scale.tasks import Array


class _Nothing:
    """The source of arrays that are not read."""

    def read(self, region: tuple[slice, ...]) -> np.ndarray:
        raise NotImplementedError


def verify_store(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a whole store back.

    Returns
    -------
    dict
        "ok"; "problems" (a sentence for each shard that is not as it was written), "shards",
        "remarks".

    Raises
    ------
    FormatError
        There is no manifest beside the store, or the store is not whole.
    """
    records, store = manifest.read(path), os.path.realpath(path)
    if records is None:
        raise FormatError(
            "there is no manifest to check the store against",
            file=store,
            expected=manifest.manifest_of(store),
        )
    arrays: dict[str, Array] = {}
    checks = []
    for record in records:
        name, place = _split(record["shard"])
        if name not in arrays:
            arrays[name] = _array(store, name)
        checks.append(Check(store, arrays[name], place, record["bytes"], record["crc32c"]))
    found = in_order(check_shard, checks, workers=cores())
    problems = [
        f"{record['shard']}: {problem}"
        for record, problem in zip(records, found, strict=True)
        if problem
    ]
    return {"ok": not problems, "problems": problems, "shards": len(checks), "remarks": []}


def _split(key: str) -> tuple[str, tuple[int, ...]]:
    """Of a shard's key, the array's path and the shard's place."""
    parts = key.split("/")
    end = len(parts) - 1 - parts[::-1].index("c")
    return "/".join(parts[:end]), tuple(map(int, parts[end + 1 :]))


def _array(store: str, path: str) -> Array:
    """An array as its zarr.json has it."""
    file = os.path.join(store, *path.split("/"), "zarr.json")
    try:
        with open(file, "rb") as opened:
            body = json.load(opened)
        sharding = body["codecs"][0]["configuration"]
        return Array(
            path,
            sharding["codecs"][0]["configuration"]["axes"],
            tuple(body["shape"]),
            np.dtype(body["data_type"]),
            tuple(sharding["chunk_shape"]),
            tuple(body["chunk_grid"]["configuration"]["chunk_shape"]),
            _Nothing(),
            body["fill_value"],
        )
    except (OSError, ValueError, LookupError, TypeError):
        raise FormatError("an array of the store is gone or damaged", file=file) from None
