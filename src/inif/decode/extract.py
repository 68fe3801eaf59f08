"""The standard streams inside a hybrid file, as files that ordinary players and libraries open."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from inif.decode.file import open_file
from inif.decode.hybrid import HybridBricks
from inif.errors import InputError
from inif.outputs import check_folder


def extract_codec(source: object, folder: str | PathLike[str]) -> list[Path]:
    """Write every stream of a hybrid into a new folder; returns the files, in order.

    A file is named after its brick, channel and frame, as far as there are several. The picture in
    it is in the codec's levels and not repaired: what `inif` decodes is better.

    Raises
    ------
    FormatError, UnsupportedError, InputError
        As `inif.open`; the file has no codec; or the folder is there already, or cannot be written.
    """
    target = Path(folder)
    if os.path.lexists(target):
        raise InputError(
            "the output exists already", file=target, fix="name a folder that does not exist yet"
        )
    above = next(p for p in target.absolute().parents if p.exists())
    check_folder(str(above), str(target))
    with open_file(source) as file:
        if not isinstance(file.bricks, HybridBricks):
            raise InputError(
                "this file has no codec",
                file=file.name,
                fix="only files of --method hybrid hold streams of a codec",
            )
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as made:
                names = []
                for name, data in _streams(file.bricks):
                    (Path(made) / name).write_bytes(data)
                    names.append(name)
                shutil.copytree(made, target)
        except OSError as error:
            shutil.rmtree(target, ignore_errors=True)
            raise InputError("the streams cannot be written", file=target, got=error) from None
    return [target / name for name in names]


def _streams(bricks: HybridBricks) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every stream."""
    codec = bricks.spec.codec
    total = len(bricks.grid)
    for number in range(total):
        brick = bricks.open(number)
        for channel, data in enumerate(brick.streams):
            frames = codec.streams(data, brick.stack)
            for frame, stream in enumerate(frames):
                parts = [
                    _part("brick", number, total),
                    _part("c", channel + brick.channel_start, bricks.channels),
                    _part("frame", frame, len(frames)),
                ]
                name = "_".join(part for part in parts if part) or "codec"
                yield name + codec.suffix, stream


def _part(word: str, number: int, count: int) -> str:
    """A number with as many digits as the largest; nothing where there is only one."""
    return "" if count < 2 else f"{word}{number:0{len(str(count - 1))}}"
