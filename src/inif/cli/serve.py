"""``inif serve``: files and folders behind a local address, for viewers and programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from inif.cli.common import MORE, JsonFlag, QuietFlag, emit_json, parse_size

if TYPE_CHECKING:
    from inif.serve.facts import Facts


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("serve", rich_help_panel=MORE)(serve)


def serve(
    places: Annotated[
        list[str], typer.Argument(metavar="FILE|FOLDER…", help="Files, or folders of files.")
    ],
    host: Annotated[
        str,
        typer.Option(
            help="The address to listen at. Others can reach 0.0.0.0, and so all that is served."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            metavar="N",
            help="The port; 0 takes any that is free. Without it 8462, or a free one if that is "
            "taken.",
        ),
    ] = None,
    memory: Annotated[
        str,
        typer.Option(metavar="SIZE", help="Memory for decoded samples, as in 512MB or 2GB."),
    ] = "1GiB",
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Serve files as OME-Zarr and as they are, until Ctrl-C; prints how to open them."""
    from inif.serve.run import PORT, serve

    def told(url: str, files: list[Facts], complete: bool, *, local: bool) -> None:
        if not local:
            _warn("everybody who can reach this address can read these files, without a password")
        if port is None and not url.endswith(f":{PORT}/"):
            _warn(f"port {PORT} is taken, perhaps by another 'inif serve'; this is another port")
        for one in files:
            if one.problem is not None:
                _warn(f"{one.name}: {one.problem}")
        if as_json:
            emit_json(
                {"url": url, "files": [one.to_json(url) for one in files], "complete": complete}
            )
        elif not quiet:
            from inif.serve.page import text

            print(f"{text(files, url)}\n\nCtrl-C ends it.")
        sys.stdout.flush()

    bound = parse_size(memory, field="--memory")
    serve(places, host=host, port=port, memory=bound, told=told)


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr, flush=True)
