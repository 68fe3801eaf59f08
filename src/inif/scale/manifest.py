"""The record of a store that is being written: what was asked for, and every shard that is done.

It is one file of JSON lines beside the store, to which lines are only ever added, and its lock: so
the same command goes on where it was interrupted, another command is told what differs, and two
runs cannot write one store. It stays with the store, whose shards can be checked against it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from inif.errors import FormatError, InputError

VERSION = 1
ENDING = ".manifest.jsonl"


def manifest_of(store: str | os.PathLike[str]) -> Path:
    """Where the manifest of a store lies: beside it."""
    return Path(os.path.realpath(store) + ENDING)


class Manifest:
    """The manifest of one store, open and locked.

    Attributes
    ----------
    settled
        What trials have found; None until they have.
    shards
        Records of shards in the order in which they were done; the last of a shard counts.
    known
        Whether there was a manifest.
    """

    def __init__(self, path: Path, file: IO[bytes], *, known: bool = False) -> None:
        self.path, self._file, self.known = path, file, known
        self.settled: dict[str, Any] | None = None
        self.shards: list[dict[str, Any]] = []

    def settle(self, found: Mapping[str, Any]) -> None:
        """Note what trials have found."""
        self.settled = dict(found)
        self._add({"settled": self.settled})

    def add(self, shard: Mapping[str, Any]) -> None:
        """Note a shard that is done; it is on the disk at the return."""
        self._add(shard)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Note that the store is whole."""
        self._add({"finished": dict(summary)})

    def _add(self, body: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(body, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


@contextlib.contextmanager
def opened(
    store: str | os.PathLike[str], plan: Mapping[str, Any], *, anew: bool = False
) -> Iterator[Manifest]:
    """The manifest of a store that is to be written by a plan, as it was left or new.

    Parameters
    ----------
    plan
        What is asked for, as JSON has it.
    anew
        Whether a manifest of another plan may be replaced.

    Raises
    ------
    InputError
        Another run is at work on this store, or one with another plan was interrupted.
    FormatError
        The manifest is damaged.
    """
    path = manifest_of(store)
    with open(path, "a+b") as file:
        _lock(file, path)
        before, found = _read(path, file)
        finished = found and "finished" in found[-1]
        if before is not None and before != plan and not (anew or finished):
            raise _other(path, before, plan)
        if before != plan or finished:
            file.truncate(0)
            found = []
        manifest = Manifest(path, file, known=before is not None)
        if not found:
            manifest._add({"manifest": VERSION, "plan": plan})
        manifest._add({"run": {"process": os.getpid(), "host": socket.gethostname()}})
        for line in found[1:]:
            if "settled" in line:
                manifest.settled = line["settled"]
            elif "shard" in line:
                manifest.shards.append(line)
        yield manifest


def read(store: str | os.PathLike[str]) -> list[dict[str, Any]] | None:
    """The last record of each shard of a store that is whole; None where it has no manifest.

    Raises
    ------
    FormatError
        The manifest is damaged, or the store is not whole.
    """
    path = manifest_of(store)
    try:
        with open(path, "rb") as file:
            _, found = _read(path, file)
    except FileNotFoundError:
        return None
    if not found or "finished" not in found[-1]:
        raise FormatError("the store is not whole: its manifest does not say so", file=path)
    return list({line["shard"]: line for line in found if "shard" in line}.values())


def _read(path: Path, file: IO[bytes]) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """The plan and all lines; a last one that was not written to its end is cut off."""
    file.seek(0)
    data = file.read()
    whole = data.rfind(b"\n") + 1
    if whole < len(data) and file.writable():
        file.truncate(whole)
    try:
        lines = [json.loads(line) for line in data[:whole].splitlines()]
        if not all(isinstance(line, dict) for line in lines):
            raise ValueError
        if lines and lines[0].get("manifest") != VERSION:
            raise ValueError
    except ValueError:
        raise FormatError(
            "this is no manifest of a store, or it is damaged",
            file=path,
            fix="remove it, and write the store anew",
        ) from None
    return (lines[0]["plan"] if lines else None), lines


def _lock(file: IO[bytes], path: Path) -> None:
    """Keep other runs away, as long as the file is open; not on systems without such locks."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(
            "another run is at work on this output",
            file=path,
            got=_who(file),
            fix="wait for its end, or choose another name",
        ) from None
    except OSError:  # a file system that has none
        return


def _who(file: IO[bytes]) -> str | None:
    """The run that was begun last, as far as the manifest says."""
    file.seek(0)
    runs = [line for line in file.read().splitlines() if line.startswith(b'{"run":')]
    with contextlib.suppress(ValueError):
        run = json.loads(runs[-1])["run"] if runs else None
        return run and f"process {run['process']} on {run['host']}"
    return None


def _other(path: Path, before: Mapping[str, Any], plan: Mapping[str, Any]) -> InputError:
    """Says what differs."""
    names = sorted(name for name in {*before, *plan} if before.get(name) != plan.get(name))
    return InputError(
        "another request for this output was interrupted",
        file=path,
        field=", ".join(names),
        expected="; ".join(f"{name}: {_short(before.get(name))}" for name in names),
        got="; ".join(f"{name}: {_short(plan.get(name))}" for name in names),
        fix="repeat the command as it was to go on, choose another name, or begin anew with "
        "--force (in Python: overwrite=True)",
    )


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:59] + "…"
