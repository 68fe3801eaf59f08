"""An evaluation for the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from inif.metrics.evaluation import Evaluation
from inif.metrics.tables import Table, tables

FEW = 12


def render(evaluation: Evaluation, *, full: bool = True, verbose: bool = False) -> RenderableType:
    """An evaluation as something that rich can print.

    Parameters
    ----------
    evaluation
        What `evaluate` returned.
    full
        False leaves only the summary, the ranges, and the warnings. Tables of more than 12
        channels show the 12 with the lowest PSNR, and say so.
    verbose
        True also shows how the encoder found its settings.
    """
    chosen = tables(evaluation, verbose=verbose)
    chosen = chosen if full else chosen[:2]
    weakest = sorted(evaluation.channels, key=lambda c: c.psnr)[:FEW]
    keep = {c.index for c in weakest}
    parts: list[RenderableType] = [_table(t, keep) for t in chosen]
    parts.append(_warnings(evaluation))
    return Group(*parts)


def _table(table: Table, keep: set[int]) -> RenderableType:
    """One table; cells are plain text, so that brackets in names are not taken for markup."""
    out = RichTable(
        title=Text(table.title, style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD if table.head else None,
        show_header=bool(table.head),
        pad_edge=False,
    )
    rows = table.rows
    if table.head:
        for i, name in enumerate(table.head):
            out.add_column(Text(name), justify="left" if i == 0 else "right")
        if table.channels is not None:
            rows = tuple(r for r, c in zip(rows, table.channels, strict=True) if c in keep)
    else:
        out.add_column(style="dim")
        out.add_column(overflow="fold")
        if len(table.rows[0]) > 2:
            out.add_column(style="dim", ratio=1)
    for row in rows:
        out.add_row(*(Text(cell) for cell in row))
    note = table.note
    if len(rows) < len(table.rows):
        note = f"The {len(keep)} weakest of {len(set(table.channels or ()))} channels. {note}"
    lines: list[RenderableType] = [out]
    if note:
        lines.append(Text(note, style="dim"))
    return Padding(Group(*lines), (0, 0, 1, 0))


def _warnings(e: Evaluation) -> RenderableType:
    if not e.warnings:
        text = "Every voxel is exact." if e.lossless else "Nothing stands out as worse."
        return Text(text, style="green")
    lines = [Text("Worse than the original", style="bold yellow")]
    lines += [Text(f"- {w}") for w in e.warnings]
    return Group(*lines)
