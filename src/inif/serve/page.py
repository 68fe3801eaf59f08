"""The page of a server: what it serves and how to open it, in plain HTML that loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from inif.serve.facts import Facts

_TITLES = {
    "neuroglancer": "Neuroglancer",
    "vizarr": "vizarr",
    "validator": "OME-Zarr validator",
}
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .2rem; overflow-wrap: anywhere; }
p { margin: .2rem 0; }
a { margin-right: 1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: .4rem 0; }
dd { margin: 0; overflow-x: auto; white-space: nowrap; }
code { user-select: all; }
.bad { color: #c33; }
"""


def page(files: Sequence[Facts], base: str, *, complete: bool) -> str:
    """The page with all files.

    Parameters
    ----------
    base
        The server's URL, with a slash at its end.
    complete
        Whether these are all files that there are.
    """
    parts = [f"<p>{_count(len(files))}; files of a folder appear here as they are on disk.</p>"]
    parts += [_entry(facts, base) for facts in files]
    if not complete:
        parts.append("<p>There are more, which can be opened by their name.</p>")
    return _document("inif serve", "".join(parts))


def folder(title: str, names: Sequence[str]) -> str:
    """The page of a folder inside an OME-Zarr: links only, as clients that list by HTTP expect."""
    links = (f'<li><a href="{escape(name)}">{escape(name)}</a></li>' for name in names)
    return _document(title, f"<ul>{''.join(links)}</ul>")


def _entry(facts: Facts, base: str) -> str:
    links, commands = facts.links(base), facts.commands(base)
    about = f"<p>{escape(facts.summary)}</p>"
    if facts.problem is not None:
        about = f'<p class="bad">This file cannot be opened: {escape(facts.problem)}</p>'
    shown = [
        f'<a href="{escape(links[key])}" rel="noreferrer">{title}</a>'
        for key, title in _TITLES.items()
        if key in links
    ]
    rows = [_row("file", links["inif"])]
    if "zarr" in links:
        rows.append(_row("OME-Zarr", links["zarr"]))
    rows += [_row(name, line, code=True) for name, line in commands.items()]
    return (
        f"<h2>{escape(facts.name)}</h2>{about}"
        + (f"<p>Open in {''.join(shown)}</p>" if shown else "")
        + f"<dl>{''.join(rows)}</dl>"
    )


def _row(name: str, text: str, *, code: bool = False) -> str:
    safe = escape(text)
    shown = f"<code>{safe}</code>" if code else f'<a href="{safe}"><code>{safe}</code></a>'
    return f"<dt>{escape(name)}</dt><dd>{shown}</dd>"


def _count(number: int) -> str:
    return "1 file is served" if number == 1 else f"{number} files are served"


def _document(title: str, body: str) -> str:
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
        f'</title><meta name="viewport" content="width=device-width">'
        f'<link rel="icon" href="data:,"><style>{_STYLE}</style>'
        f"</head><body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )


def text(files: Sequence[Facts], base: str) -> str:
    """The same for a terminal; of many files only their number and the page's address."""
    lines = [f"{_count(len(files))} at {base}"]
    for facts in files if len(files) <= FEW else ():
        links, commands = facts.links(base), facts.commands(base)
        lines += ["", facts.name + ("" if facts.problem is None else f": {facts.problem}")]
        lines += [f"  {facts.summary}"] if facts.summary else []
        rows = {"file": links["inif"], "OME-Zarr": links.get("zarr")}
        rows |= {title: links.get(key) for key, title in _TITLES.items()}
        rows |= commands
        lines += [f"  {name:<18} {line}" for name, line in rows.items() if line]
    return "\n".join(lines)


FEW = 3
"""Files that are told of in full in a terminal."""
