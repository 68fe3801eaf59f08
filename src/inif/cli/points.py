"""Points in, values out: the CSV tables of ``inif decompress --points``."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from inif.errors import InputError

if TYPE_CHECKING:
    import numpy as np


def read_points(path: Path, axes: str) -> tuple[list[str], list[list[str]], np.ndarray]:
    """The header, the rows, and the coordinates of a CSV file with one column per axis.

    Parameters
    ----------
    path
        A CSV file; its first line names the columns, in any case and order; other columns are kept.
    axes
        The axes of the image.

    Returns
    -------
    header, rows, coords
        The table as text, and float64 coordinates (N, len(axes)) in samples, in `axes` order.

    Raises
    ------
    InputError
        No such file, no header, a column missing or twice, a value that is not a number.
    """
    import numpy as np

    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError("the points cannot be read", file=path, got=error) from None
    header, rows = (lines[0], lines[1:]) if lines else ([], [])
    names = [name.strip().upper() for name in header]
    missing = [a for a in axes if names.count(a) != 1]
    if missing:
        raise InputError(
            "the points do not have one column per axis of the image",
            file=path,
            field=", ".join(missing),
            expected=f"a first line like {','.join(axes.lower())}",
            got=",".join(header) or "an empty file",
        )
    columns = [names.index(a) for a in axes]
    coords = np.empty((len(rows), len(axes)), np.float64)
    for line, row in enumerate(rows):
        try:
            coords[line] = [float(row[column]) for column in columns]
        except (ValueError, IndexError):
            raise InputError(
                "a point cannot be read",
                file=path,
                field=f"point {line + 1}",
                expected=f"{len(header)} fields, numbers for {', '.join(axes)}",
                got=",".join(row),
            ) from None
    return header, rows, coords


def write_values(out: Path, header: list[str], rows: list[list[str]], values: np.ndarray) -> None:
    """The values, (N,), as ``.npy``, or as ``.csv``: the given table with a last column ``value``.

    The file appears under its name only when it is complete.
    """
    import numpy as np

    from inif.container.writer import write_file

    if out.suffix.lower() == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, values, allow_pickle=False)
        data = buffer.getvalue()
    else:
        data = _table(header, rows, values).encode()
    write_file(out, data)


def _table(header: list[str], rows: list[list[str]], values: np.ndarray) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*header, "value"])
    # str, not repr: the shortest text that reads back as the same float32.
    writer.writerows([*row, str(value)] for row, value in zip(rows, values, strict=True))
    return text.getvalue()
