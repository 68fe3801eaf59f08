"""One image in many files, one per plane or stack, found by a pattern of their names.

``planes/img_t{t}_z{z:03d}.tif`` names the axes: ``{z}`` stands for the number of a plane along Z,
``{t}`` for a time, ``{c}`` for a channel, and ``{c:DAPI|GFP}`` for the names of channels, in the
order in which they are wanted. A number may be written with zeros in front (``{z:03d}``: three
digits at least). Fields may stand in names of folders, and the same field several times.

All that the pattern implies must be there: every combination, and numbers at equal steps.
"""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from inif.errors import AxesError, InputError, MissingFileError
from inif.image import Channel, LazyImage, Metadata, Region
from inif.io.common import OPENING, only_scene
from inif.io.location import Location
from inif.io.registry import open_image
from inif.io.samples import CACHE, Blocks, build

_FIELD = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")
_NUMBER = re.compile(r"d?|0([1-9]\d?)d")
_KIND = "set of files"


@dataclass(frozen=True)
class _Set:
    """The files of one image.

    Attributes
    ----------
    name
        The pattern, for messages.
    axes
        Fields, in the order of the image's axes.
    shape
        Files along each of them.
    files
        In C order.
    words
        Names of channels, where the pattern gives them.
    given
        Axes of one file, as the user names them; None: the file does.
    """

    name: str
    axes: str
    shape: tuple[int, ...]
    files: tuple[str, ...]
    words: tuple[str, ...]
    given: str | None

    def open(self, number: int) -> LazyImage:
        """One of the files."""
        return open_image(self.files[number], axes=self.given)

    def own(self, image: LazyImage) -> tuple[str, tuple[int, ...]]:
        """Axes and shape of one file without axes of length 1 that are fields.

        Raises
        ------
        AxesError
            The file is longer than 1 along a field.
        """
        for axis, length in zip(image.axes, image.shape, strict=True):
            if axis in self.axes and length > 1:
                raise AxesError(
                    "an axis is in the pattern and in the files",
                    file=image.source,
                    field=axis,
                    expected="1 sample along it in each file",
                    got=length,
                )
        kept = [(a, n) for a, n in zip(image.axes, image.shape, strict=True) if a not in self.axes]
        return "".join(a for a, _ in kept), tuple(n for _, n in kept)

    def fitting(self, number: int, first: LazyImage) -> LazyImage:
        """One of the files, which holds what the first one does.

        Raises
        ------
        InputError
            It does not.
        """
        image = self.open(number)
        said = [(*self.own(i), i.dtype.name) for i in (first, image)]
        if said[0] != said[1]:
            image.close()
            raise InputError(
                "the files of this image differ",
                file=image.source,
                field="axes, shape, dtype",
                expected=", ".join(map(str, said[0])),
                got=", ".join(map(str, said[1])),
            )
        return image


def open_file(location: Location, kind: str, axes: str | None, scene: int) -> LazyImage:
    """The image of all files of a pattern; the first one says what each of them holds.

    Parameters
    ----------
    axes
        Of one file.

    Raises
    ------
    InputError
        A pattern that cannot be used, no file, files that are missing, or no image.
    AxesError
        The axes of a file are not known, or are in the pattern as well.
    """
    only_scene(scene, 1, location.name)
    files = _files(location, axes)
    with files.open(0) as first:
        own, shape = files.own(first)
    row = math.prod(shape[-1:]) * first.dtype.itemsize
    part = [1] * (len(shape) - 2) + list(shape[-2:])
    if len(part) > 1:
        part[-2] = max(min(part[-2], CACHE // max(row, 1)), 1)

    def load(region: Region) -> np.ndarray:
        place = tuple(s.start for s in region[: len(files.shape)])
        number = int(np.ravel_multi_index(place, files.shape))
        inside = dict(zip(own, region[len(files.shape) :], strict=True))
        with OPENING:
            image = files.fitting(number, first)
        with image:
            samples = image.read(tuple(inside.get(a, slice(0, 1)) for a in image.axes))
        return samples.reshape([s.stop - s.start for s in region])

    meta = Metadata(
        scale={a: step for a, step in first.meta.scale.items() if a in own},
        channels=tuple(map(Channel, files.words)) if files.words else first.meta.channels,
    )
    block = (*(1 for _ in files.shape), *part)
    samples = Blocks((*files.shape, *shape), first.dtype, block, load)
    stored = files.axes + own
    return build(
        *(samples, _KIND, stored, None, meta, location.name, first.remarks), labels=first.labels
    )


def check_files(location: Location, axes: str | None) -> None:
    """Open every file of a pattern, and check that it holds what the first one does.

    Raises
    ------
    InputError
        One does not.
    """
    files = _files(location, axes)
    with files.open(0) as first:
        for number in range(1, len(files.files)):
            files.fitting(number, first).close()


def _files(location: Location, axes: str | None) -> _Set:
    name = location.name
    if location.remote:
        raise InputError("files of a pattern are read from a folder only", file=name)
    fields: dict[str, str | None] = {}
    for match in _FIELD.finditer(location.path):
        axis, said = match[1].upper(), match[2]
        if axis not in ("T", "C", "Z") or (axis in fields and fields[axis] != said):
            raise InputError(
                "this field of the pattern cannot be used",
                file=name,
                field=match[0],
                expected="{t}, {c} or {z}, {z:03d} for three digits, {c:DAPI|GFP} for names; "
                "the same each time",
            )
        fields[axis] = said
    found: dict[tuple[str, ...], str] = {}
    letters = [a for a in "TCZ" if a in fields]
    head, *parts = location.path.replace(os.sep, "/").split("/")
    for values, path in _matching(f"{head}/" if parts else "", parts or [head], {}):
        place = tuple(_value(values[a]) for a in letters)
        if place in found:
            raise InputError(
                "two files have the same place in the pattern",
                file=name,
                got=f"{found[place]}, {path}",
            )
        found[place] = path
    if not found:
        raise MissingFileError("no file fits this pattern", file=name, fix="check the path")
    ends = [_along(a, fields[a], {p[i] for p in found}, name) for i, a in enumerate(letters)]
    for place in itertools.product(*ends):
        if place not in found:
            said = ", ".join(f"{a.lower()} {v}" for a, v in zip(letters, place, strict=True))
            raise InputError(
                "a file of this image is missing",
                file=name,
                field=said,
                expected=f"{math.prod(map(len, ends))} files",
                got=f"{len(found)} files",
            )
    words = tuple(ends[letters.index("C")]) if _is_words(fields.get("C")) else ()
    files = tuple(found[p] for p in itertools.product(*ends))
    return _Set(name, "".join(letters), tuple(map(len, ends)), files, words, axes)


def _is_words(said: str | None) -> bool:
    return said is not None and not _NUMBER.fullmatch(said)


def _value(text: str) -> str:
    return str(int(text)) if text.isdecimal() else text


def _along(axis: str, said: str | None, values: set[str], name: str) -> list[str]:
    """The values of a field in order: words as the pattern has them, numbers at equal steps."""
    if said is not None and _is_words(said):
        return said.split("|")
    numbers = sorted(map(int, values))
    step = min((b - a for a, b in itertools.pairwise(numbers)), default=1)
    due = list(range(numbers[0], numbers[-1] + 1, step))
    if due != numbers:
        raise InputError(
            "files of this image are missing: the numbers are not at equal steps",
            file=name,
            field=axis.lower(),
            expected=f"{len(due)} numbers, {due[0]} to {due[-1]} by {step}",
            got=f"{len(numbers)} numbers, without {min(set(due) ^ set(numbers))}",
        )
    return list(map(str, numbers))


def _matching(
    folder: str, parts: list[str], known: Mapping[str, str]
) -> Iterator[tuple[dict[str, str], str]]:
    """Files that fit the rest of a pattern in a folder, and the text of each field."""
    part, *rest = parts
    if not _FIELD.search(part):
        names = [part]
    else:
        try:
            names = sorted(os.listdir(folder or "."))
        except OSError:
            return
    for name in names:
        values = _fit(part, name, known)
        path = f"{folder}{name}"
        if values is None:
            continue
        if rest:
            yield from _matching(f"{path}/", rest, values)
        elif os.path.isfile(path):
            yield values, path


def _fit(part: str, name: str, known: Mapping[str, str]) -> dict[str, str] | None:
    """The text of all fields, where a name fits a part of the pattern and what is known so far."""
    pattern, end, groups = "", 0, []
    for match in _FIELD.finditer(part):
        axis, said = match[1].upper(), match[2] or ""
        pattern += re.escape(part[end : match.start()])
        if number := _NUMBER.fullmatch(said):
            pattern += rf"(\d{{{number[1] or 1},}})"
        else:
            pattern += f"({'|'.join(map(re.escape, sorted(said.split('|'), key=len)[::-1]))})"
        groups.append(axis)
        end = match.end()
    found = re.fullmatch(pattern + re.escape(part[end:]), name, re.ASCII)
    if found is None:
        return None
    values = dict(known)
    for axis, text in zip(groups, found.groups(), strict=True):
        if _value(values.setdefault(axis, text)) != _value(text):
            return None
    return values
