"""``inif verify``: check that a file is whole and decodes here to what its encoder saw."""

from __future__ import annotations

from typing import Annotated

import typer

from inif.cli.common import BAD_INPUT, JsonFlag, QuietFlag, emit_json, emit_table


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("verify")(verify)


def verify(
    source: Annotated[str, typer.Argument(metavar="FILE.inif", help="A path or a URL.")],
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Check every checksum of a file, and its decode against the encoder's. Exit 2 if it fails."""
    import inif

    facts = inif.verify(source)
    problems = facts["problems"]
    if as_json:
        emit_json(facts)
    elif not quiet:
        decode = (
            "exactly as encoded"
            if facts["exact"]
            else f"within {facts['max_deviation']:g} counts of the encoder's (rounding)"
        )
        rows: list[tuple[str, object]] = [
            ("result", "good" if facts["ok"] else "DAMAGED"),
            ("checked", f"sections: {facts['sections']}, bricks: {facts['bricks']}"),
        ]
        if facts["ok"]:
            rows.append(("decodes", decode))
        emit_table(source, rows + [("problem", problem) for problem in problems])
    if not facts["ok"]:
        if quiet and not as_json:
            typer.echo(f"error: {source}: {'; '.join(map(str, problems)) or 'damaged'}", err=True)
        raise typer.Exit(BAD_INPUT)
