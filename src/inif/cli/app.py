"""The ``inif`` program: its commands, and one place where failures become messages and exit codes.

Exit codes: 0 good, 2 bad input, 1 an error inside inif, 3 interrupted with the best so far kept
(``--keep-partial``), 130 interrupted with nothing written; `inif.__main__` makes it 143 where that
was SIGTERM. With ``--json`` a failure is one JSON object on stdout, like a success; without it, one
message on stderr.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from inif._version import __version__
from inif.cli import (
    compress,
    convert,
    decompress,
    evaluate,
    extract,
    info,
    optimizer,
    perceptual,
    serve,
    verify,
    view,
)
from inif.cli.common import BAD_INPUT, GOOD, INTERNAL, INTERRUPTED, StoppedError, emit_json
from inif.errors import InifError, extras_named


class Program(TyperGroup):
    """The commands, with every way out of them (script, ``python -m``, tests) through `_run`."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Parse and run; always ends in `SystemExit`."""
        words = list(sys.argv[1:] if args is None else args) or ["--help"]
        sys.exit(_run(super().main, words, prog_name or self.name or "inif"))


app = typer.Typer(
    name="inif",
    cls=Program,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"inif {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Compress microscopy images to an exact size, in one safe file."""


for module in (
    compress,
    decompress,
    info,
    evaluate,
    verify,
    view,
    serve,
    convert,
    extract,
    optimizer,
    perceptual,
):
    module.register(app)


def _run(command: Any, words: list[str], prog: str) -> int:
    """Run one command line and return its exit code; every failure is reported here, once."""
    as_json, why = "--json" in words, "interrupted; nothing was written"
    try:
        with extras_named():
            code = command(args=words, prog_name=prog, standalone_mode=False)
    except InifError as error:
        return _fail(BAD_INPUT, error.to_json(), str(error), as_json)
    except typer.TyperException as error:
        message = _usage_message(error)
        return _fail(BAD_INPUT, {"error": "UsageError", "problem": message}, message, as_json)
    except StoppedError as stop:
        code, why = INTERRUPTED, str(stop)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except MemoryError:
        message = "not enough memory for this image; close other programs or compress a part of it"
        return _fail(INTERNAL, {"error": "MemoryError", "problem": message}, message, as_json)
    except Exception as error:
        return _bug(error, as_json)
    if code == INTERRUPTED:
        return _fail(INTERRUPTED, {"error": "Interrupted", "problem": why}, why, as_json)
    return code if isinstance(code, int) else GOOD


def _fail(code: int, body: dict[str, Any], message: str, as_json: bool) -> int:
    if as_json:
        emit_json(body)
    else:
        print(f"error: {' '.join(message.splitlines())}", file=sys.stderr)
    return code


def _bug(error: Exception, as_json: bool) -> int:
    problem = f"{type(error).__name__}: {error}"
    hint = "this is a bug in inif, please report it; INIF_DEBUG=1 shows where it happened"
    if os.environ.get("INIF_DEBUG") == "1":
        traceback.print_exception(error, file=sys.stderr)
    body = {"error": "InternalError", "problem": problem, "fix": hint}
    return _fail(INTERNAL, body, f"{problem}; {hint}", as_json)


def _usage_message(error: typer.TyperException) -> str:
    """What typer says about a wrong command line, in one line, with where to find help."""
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "inif"
    return f"{' '.join(text.split()).rstrip('.')}; see '{path} --help'"
