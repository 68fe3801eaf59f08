"""Points in, values out: the CSV tables of ``inif decompress --points``."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inif.errors import InputError, SelectionError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Points:
    """A table of points.

    Attributes
    ----------
    header, rows
        The table as text.
    coords
        Float64 coordinates in samples, (N, D), columns in the order of the image's axes.
    """

    header: list[str]
    rows: list[list[str]]
    coords: np.ndarray


def read_points(path: Path, axes: str, shape: tuple[int, ...]) -> Points:
    """The points of a CSV file with one column per axis.

    Parameters
    ----------
    path
        A CSV file; its first line names the columns, in any case and order; other columns are kept.
    axes, shape
        Of the image.

    Raises
    ------
    InputError
        No such file, no header, a column missing or twice.
    SelectionError
        A row of another number of columns than the header's, a value that is not a number, or a
        point outside the image; names the line of the file.
    """
    import numpy as np

    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            table = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        got = getattr(error, "strerror", None) or error
        raise InputError(
            "the points cannot be read", file=path, field="--points", got=got
        ) from None
    header = table[0][1] if table else []
    names = [name.strip().upper() for name in header]
    missing = [a.lower() for a in axes if names.count(a) != 1]
    if missing:
        raise InputError(
            "the points do not have one column per axis of the image",
            file=path,
            field=f"--points {', '.join(missing)}",
            expected=f"a first line like {','.join(axes.lower())}, with commas between the columns",
            got=",".join(header) or "an empty file",
        )
    columns = [names.index(a) for a in axes]
    rows = [row for _, row in table[1:]]
    coords = np.empty((len(rows), len(axes)), np.float64)
    for i, (line, row) in enumerate(table[1:]):
        if len(row) != len(header):
            raise SelectionError(
                "this line of the points cannot be read",
                file=path,
                field=f"--points line {line}",
                expected=f"{len(header)} columns, with commas between them and dots in numbers",
                got=",".join(row),
            )
        coords[i] = [_number(row[column]) for column in columns]
    good = (coords >= 0) & (coords <= np.array(shape) - 1)
    if "C" in axes:
        channel = coords[:, axes.index("C")]
        good[:, axes.index("C")] &= channel == np.floor(channel)
    if not good.all():
        i, at = np.argwhere(~good)[0]
        line, row = table[1 + i]
        raise _bad(row[columns[at]], shape[at], path, f"--points line {line}, {axes[at].lower()}")
    return Points(header, rows, coords)


def write_values(out: Path, table: Points, values: np.ndarray, *, overwrite: bool) -> None:
    """The values, (N,), as ``.npy``, or as ``.csv``: the given table with a last column ``value``.

    The file appears under its name only when it is complete.
    """
    import numpy as np

    from inif.outputs import write_file

    if out.suffix.lower() == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, values, allow_pickle=False)
        data = buffer.getvalue()
    else:
        data = _text(table, values).encode()
    write_file(out, data, overwrite=overwrite)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _bad(text: str, length: int, path: Path, field: str) -> SelectionError:
    """What is wrong with a coordinate on an axis of `length` samples."""
    expected = f"0 … {length - 1}"
    value = _number(text)
    if math.isnan(value):
        problem = "this coordinate is not a number"
    elif 0 <= value <= length - 1:
        problem = "there is nothing between channels"
    else:
        problem = "a point lies outside the image"
    return SelectionError(problem, file=path, field=field, expected=expected, got=text)


def _text(table: Points, values: np.ndarray) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*table.header, "value"])
    # str, not repr: the shortest text that reads back as the same float32.
    writer.writerows([*row, str(value)] for row, value in zip(table.rows, values, strict=True))
    return text.getvalue()
