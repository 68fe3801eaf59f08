"""The report as one HTML file that needs nothing else: no network, no scripts, no other files."""

from __future__ import annotations

import base64
import os
from html import escape
from pathlib import Path

from inif.errors import MissingExtraError
from inif.metrics.evaluation import Evaluation
from inif.metrics.figure import figure_png
from inif.metrics.tables import Table, decibel, finest, number, tables
from inif.outputs import write_file

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--ink:#1a1a1a;--faint:#5c6470;--line:#dfe3e8;--card:#f5f7f9;
--warn:#8a5300;--warnbg:#fff6e5}
@media(prefers-color-scheme:dark){:root{--bg:#14171b;--ink:#e8eaed;--faint:#9aa3ad;--line:#2c323a;
--card:#1c2127;--warn:#ffc46b;--warnbg:#2b2211}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:72rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.5rem;margin:0 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:2.25rem 0 .6rem}
p{margin:.4rem 0}.faint{color:var(--faint);font-size:.87rem}
.cards{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.25rem 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.7rem 1rem;
min-width:9rem}
.card b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}
.card span{color:var(--faint);font-size:.85rem}
.warn{background:var(--warnbg);border-left:4px solid var(--warn);border-radius:.3rem;
padding:.6rem 1rem}
.warn ul{margin:.3rem 0;padding-left:1.2rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .9rem .35rem 0;border-bottom:1px solid var(--line);text-align:right;
white-space:nowrap}
th{color:var(--faint);font-weight:600;font-size:.85rem}
th:first-child,td:first-child{text-align:left}
table.list td{text-align:left;white-space:normal;overflow-wrap:anywhere;vertical-align:top}
table.list td:nth-child(3){color:var(--faint);font-size:.87rem}
table.list td:first-child{color:var(--faint);white-space:nowrap}
img{max-width:100%;height:auto;background:#fff;border:1px solid var(--line);border-radius:.4rem}
"""


def html_report(
    evaluation: Evaluation, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write the report of an evaluation as a single HTML file.

    Without matplotlib, or for an image without Y and X, the report says so in place of the picture.

    Raises
    ------
    InputError
        The file exists and `overwrite` is not set, or it cannot be written; no part of it is left.
    """
    write_file(path, html(evaluation).encode(), overwrite=overwrite)
    return Path(path)


def html(evaluation: Evaluation) -> str:
    """The report as the text of an HTML document; all text from files is escaped."""
    title = evaluation.compressed or evaluation.original or "image"
    name = os.path.basename(title.rstrip("/\\")) or title
    parts = [
        f"<h1>{escape(name)}</h1>",
        _between(evaluation),
        _cards(evaluation),
        _warnings(evaluation),
        f"<h2>Pictures</h2>{_picture(evaluation)}",
        *(_table(t) for t in tables(evaluation)),
        "<p class=faint>Written by inif. Definitions of all figures: docs/metrics.md.</p>",
    ]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{escape(name)}: what compression changed</title>\n"
        f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _between(e: Evaluation) -> str:
    first, second = escape(e.original or "an array"), escape(e.compressed or "an array")
    return f"<p class=faint>What compression changed: {second} against {first}</p>"


def _cards(e: Evaluation) -> str:
    cards = [(decibel(e.psnr), "PSNR, own range of each channel")]
    if e.ratio is not None:
        cards.insert(0, (f"{e.ratio:.4g} ×", f"smaller: {e.file_bytes:,} bytes"))
    if e.ssim is not None:
        cards.append((number(e.ssim, 4), f"SSIM, window {e.ssim_window}"))
    cards.append((decibel(e.worst_slice.psnr), "worst slice"))
    kept = [c.resolution for c in e.channels if c.resolution is not None]
    if kept:
        worst = min(kept, key=lambda r: r.cycles_per_pixel)
        few = "finest detail kept" + (" (worst channel)" if len(kept) > 1 else "")
        cards.append((finest(worst), few))
    cells = "".join(
        f"<div class=card><b>{escape(v)}</b><span>{escape(k)}</span></div>" for v, k in cards
    )
    return f"<div class=cards>{cells}</div>"


def _warnings(e: Evaluation) -> str:
    if e.warnings:
        items = "".join(f"<li>{escape(w)}</li>" for w in e.warnings)
        return f"<div class=warn><b>Worse than the original</b><ul>{items}</ul></div>"
    text = "Every voxel is exact." if e.lossless else "Nothing stands out as worse."
    return f"<p>{text}</p>"


def _picture(e: Evaluation) -> str:
    if not e.panels:
        return f"<p>No picture: the image has no Y and X axes ({escape(e.axes)}).</p>"
    try:
        png = figure_png(e)
    except MissingExtraError as error:
        return f"<p>No picture: {escape(str(error))}.</p>"
    data = base64.b64encode(png).decode("ascii")
    text = "Original, decoded and error of slices and of the worst places; quality by slice"
    return f'<img alt="{text}" src="data:image/png;base64,{data}">'


def _table(t: Table) -> str:
    head = ""
    if t.head:
        head = "<thead><tr>" + "".join(f"<th>{escape(h)}</th>" for h in t.head) + "</tr></thead>"
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in t.rows
    )
    kind = "" if t.head else " class=list"
    note = f"<p class=faint>{escape(t.note)}</p>" if t.note else ""
    return (
        f"<h2>{escape(t.title)}</h2><div class=scroll><table{kind}>{head}<tbody>{rows}</tbody>"
        f"</table></div>{note}"
    )
