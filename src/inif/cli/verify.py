"""``inif verify``: check that a file is whole and decodes here to what its encoder saw."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from inif.cli.common import (
    BAD_INPUT,
    EVERYDAY,
    JsonFlag,
    QuietFlag,
    emit_json,
    emit_table,
    remarks_noted,
)
from inif.cli.plain import stated_bound
from inif.web import public


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("verify", rich_help_panel=EVERYDAY)(verify)


def verify(
    source: Annotated[
        str, typer.Argument(metavar="FILE.inif", help="A path or a URL, or the folder of a store.")
    ],
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Check every checksum of a file, and its decode against the encoder's. Exit 2 if it fails."""
    import inif

    with remarks_noted(quiet=quiet) as remarks:
        facts = inif.verify(source)
    problems = facts["problems"]
    if as_json:
        emit_json(facts | {"remarks": [*remarks, *facts["remarks"]]})
    elif not quiet:
        rows: list[tuple[str, object]] = [
            ("result", _result(facts)),
            ("checked", _checked(facts)),
        ]
        if facts["ok"] and "exact" in facts:
            rows.append(("decodes", _decodes(facts)))
            if (bound := stated_bound(facts)) is not None:
                rows.append(("bound", f"{bound}, as the encoder measured it"))
        rows += [("problem", problem) for problem in problems]
        emit_table(public(source), rows + [("note", remark) for remark in facts["remarks"]])
    if not facts["ok"]:
        if quiet and not as_json:
            typer.echo(
                f"error: {public(source)}: {'; '.join(map(str, problems)) or 'damaged'}", err=True
            )
        raise typer.Exit(BAD_INPUT)


def _checked(facts: dict[str, Any]) -> str:
    if "shards" in facts:
        return f"shards: {facts['shards']}"
    return f"sections: {facts['sections']}, bricks: {facts['bricks']}"


def _result(facts: dict[str, Any]) -> str:
    if not facts["ok"]:
        return "DAMAGED"
    return "decodes differently from the encoder" if facts["remarks"] else "good"


def _decodes(facts: dict[str, Any]) -> str:
    if facts["exact"]:
        return "exactly as encoded"
    if facts["max_deviation"] is None:
        return "to other samples than the encoder had"
    return (
        f"as encoded, up to rounding: {facts['samples_off']} samples are not their exact value, "
        f"by {facts['max_deviation']:.4g} {facts['unit']} at most"
    )
