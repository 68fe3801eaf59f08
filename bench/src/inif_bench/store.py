"""Results on disk: one JSON file per image and arm, read and written nowhere else.

A results folder holds ``IMAGE/original.json`` (what the image is, and the crop that panels show)
and ``IMAGE/ARM.json`` (an arm, how it was run, and one *cell* per target ratio). A file is replaced
whole after each cell, by renaming, so an interrupted run loses one cell at most.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inif.errors import InputError

FORMAT = "inif-bench/1"
ORIGINAL = "original"
STATES = ("done", "unreachable", "missing", "failed")


@dataclass
class Record:
    """What is known of one arm on one image.

    Attributes
    ----------
    image
        name, axes, shape, dtype, raw_bytes, sha256, ranges, reference (a name or None).
    arm
        name, title, family ("codec", "published", "inif" or "lossless"), settings.
    run
        command, date, versions, machine, threads, seed of the latest cell.
    cells
        Target ratio as text (``"128"``) → cell. A cell has a status out of `STATES`; "done" and
        "unreachable" (the arm's smallest file is over the budget; that file is what was scored)
        carry file_bytes and scores, the others a reason.
    """

    image: dict[str, Any]
    arm: dict[str, Any]
    run: dict[str, Any] = field(default_factory=dict)
    cells: dict[str, dict[str, Any]] = field(default_factory=dict)

    def scored(self) -> dict[float, dict[str, Any]]:
        """Target ratio → cell, for the cells with scores, by ascending ratio."""
        cells = {float(k): c for k, c in self.cells.items() if "psnr" in c}
        return dict(sorted(cells.items()))

    def met(self) -> dict[float, dict[str, Any]]:
        """Target ratio → cell, for the cells whose file is within its budget."""
        return {r: c for r, c in self.scored().items() if c["status"] == "done"}


def path_of(folder: Path, image: str, name: str) -> Path:
    """Where the JSON of an image and an arm (or `ORIGINAL`) lies."""
    return folder / image / f"{name}.json"


def load_record(path: Path) -> Record | None:
    """One record, or None where there is no such file.

    Raises
    ------
    InputError
        The file is not a result of this benchmark.
    """
    body = _read(path)
    if body is None:
        return None
    try:
        return Record(body["image"], body["arm"], body["run"], body["cells"])
    except KeyError as error:
        raise _foreign(path, f"no {error.args[0]!r}") from None


def load_all(folder: Path) -> Iterator[Record]:
    """Every arm's record below a results folder, by image and arm.

    Raises
    ------
    InputError
        A file is not a result of this benchmark.
    """
    for path in sorted(folder.glob("*/*.json")):
        if path.stem != ORIGINAL and (record := load_record(path)) is not None:
            yield record


def load_original(folder: Path, image: str) -> dict[str, Any] | None:
    """The description and crop of an image, or None where it was not run."""
    return _read(path_of(folder, image, ORIGINAL))


def save_record(folder: Path, record: Record) -> Path:
    """Write one record; the old file stays until the new one is whole."""
    cells = dict(sorted(record.cells.items(), key=lambda item: float(item[0])))
    body = {"image": record.image, "arm": record.arm, "run": record.run, "cells": cells}
    return _write(path_of(folder, record.image["name"], record.arm["name"]), body)


def save_original(folder: Path, body: dict[str, Any]) -> Path:
    """Write the description and crop of an image."""
    return _write(path_of(folder, body["image"]["name"], ORIGINAL), body)


def _read(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        body = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _foreign(path, str(error)) from None
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise _foreign(path, "another format")
    return body


def _write(path: Path, body: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    text = json.dumps({"format": FORMAT, **body}, indent=1, allow_nan=False, ensure_ascii=False)
    temporary.write_text(text + "\n", "utf-8")
    temporary.replace(path)
    return path


def _foreign(path: Path, got: str) -> InputError:
    return InputError(
        "this is not a benchmark result",
        file=path,
        expected=FORMAT,
        got=got,
        fix="move it away, or choose another results folder with --results",
    )
