"""``inif view``: a file in the browser, beside its original."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Thread
from typing import Annotated

import typer

from inif.cli.common import EVERYDAY, AxesOption, QuietFlag, SeriesOption, note, remarks_noted
from inif.cli.info import rows
from inif.errors import MissingExtraError


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("view", rich_help_panel=EVERYDAY)(view)


def view(
    source: Annotated[str, typer.Argument(metavar="FILE.inif", help="A path or a URL.")],
    original: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE", help="What the file was made from, to see what was lost and where."
        ),
    ] = None,
    axes: AxesOption = None,
    series: SeriesOption = 0,
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="The port; by default a free one.")
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Whether to open the page at once.")
    ] = True,
    quiet: QuietFlag = False,
) -> None:
    """Look at a file in the browser, side by side with its original; Ctrl-C ends it.

    The page is served on this machine only and needs no internet. --axes and --series are those of
    the original.
    """
    try:
        from inif.view.app import view_app
        from inif.view.run import address, bound, serve, show
    except ImportError as error:
        raise MissingExtraError(
            (error.name or "starlette").split(".")[0], "serve", need="inif view"
        ) from None
    import inif
    from inif.view.original import open_original
    from inif.view.scene import Scene

    with ExitStack() as stack:
        with remarks_noted(quiet=quiet) as remarks:
            file = stack.enter_context(inif.open(source))
            against = None
            if original is not None:
                against = open_original(original, file, axes=axes, series=series)
                stack.enter_context(against)
        listener = stack.enter_context(bound(port))
        scene = Scene(file, against)
        app = view_app(scene, rows(inif.inspect(source)), remarks)
        warming = Thread(target=scene.warm)
        warming.start()
        stack.callback(warming.join)
        url = address(listener)
        if not quiet:
            print(url, flush=True)
        if browser and not show(url):
            note("no screen was found: open this address in a browser", quiet=quiet)
        note("Ctrl-C ends it", quiet=quiet)
        serve(app, listener)
