"""Documentation out of results: the page, its tables and figures, or a check of the texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inif.errors import InputError
from inif_bench.markdown import TABLES, page
from inif_bench.store import load_all, load_original
from inif_bench.summary import View
from inif_bench.tables import tables

PAGE = "benchmark.md"
FIGURES = "figures"
NOTES = "notes.md"
"""In the folder of the results: what readers of the page should know about them."""


def write_report(results: Path, docs: Path, check: bool = False) -> list[Path]:
    """Write what the results say into the documentation.

    Parameters
    ----------
    results
        Folder of the JSON.
    docs
        Gets ``benchmark.md``, ``benchmark/*.csv`` and ``figures/bench-*.png``; figures of that name
        that are not of these results are removed.
    check
        Write nothing; compare the texts on disk with what the results give. Figures are not
        compared, and matplotlib is not needed.

    Returns
    -------
    The files written, or the files found to be right.

    Raises
    ------
    InputError
        There are no results; with `check`, a text is not what they give.
    MissingExtraError
        matplotlib is not installed (extra "plot").
    """
    records = list(load_all(results))
    if not records:
        raise InputError("there are no benchmark results", file=results, expected="IMAGE/ARM.json")
    view = View(records)
    originals: dict[str, dict[str, Any]] = {}
    for image in view.images:
        if (original := load_original(results, image["name"])) is not None:
            originals[image["name"]] = original
    notes = results / NOTES
    texts = {docs / PAGE: page(records, notes.read_text("utf-8") if notes.exists() else "")}
    texts |= {docs / TABLES / name: text for name, text in tables(view, originals).items()}
    if check:
        for path, text in texts.items():
            _compare(path, text)
        return list(texts)
    from inif_bench.figures import figures

    folder = docs / FIGURES
    pictures = {folder / name: png for name, png in figures(view, originals).items()}
    folder.mkdir(parents=True, exist_ok=True)
    (docs / TABLES).mkdir(exist_ok=True)
    for old in folder.glob("bench-*.png"):
        if old not in pictures:
            old.unlink()
    for path, png in pictures.items():
        path.write_bytes(png)
    for path, text in texts.items():
        path.write_text(text, "utf-8")
    return [*texts, *pictures]


def _compare(path: Path, text: str) -> None:
    found = path.read_text("utf-8") if path.exists() else None
    if found != text:
        raise InputError(
            "the documentation is not what the benchmark's results say",
            file=path,
            got="no such file" if found is None else f"another text from line {_line(found, text)}",
            fix="write the report again",
        )


def _line(found: str, wanted: str) -> int:
    """The first line that differs, from 1."""
    a, b = found.split("\n"), wanted.split("\n")
    same = [x == y for x, y in zip(a, b, strict=False)]
    return same.index(False) + 1 if False in same else len(same) + 1
