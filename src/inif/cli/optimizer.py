"""``inif optimizer``: which optimizers there are, and weights for those that were learned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from inif.cli.common import MORE, JsonFlag, QuietFlag, emit_json, emit_table, format_size, note
from inif.cli.optimizer_train import train_command

optimizer_app = typer.Typer(
    help="List the optimizers of fits, and add weights of learned ones.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    optimizer_app.command("train")(train_command)
    app.add_typer(optimizer_app, name="optimizer", rich_help_panel=MORE)


@optimizer_app.command("list")
def list_command(quiet: QuietFlag = False, as_json: JsonFlag = False) -> None:
    """Show the optimizers, their default learning rates, and what they still need."""
    from inif.optim import optimizers, weights

    default = optimizers.parse("auto").name
    found: list[dict[str, Any]] = []
    for name in optimizers.names():
        rate = optimizers.parse(name).learning_rate
        body: dict[str, Any] = {"name": name, "learning_rate": rate}
        body |= {"default": name == default, "ready": True}
        if name in weights.NAMES:
            file = weights.find(name)
            body |= {"ready": file is not None, "weights": file}
        found.append(body)
    if as_json:
        emit_json({"optimizers": found})
    elif not quiet:
        emit_table("optimizers", [(str(body["name"]), _describe(body)) for body in found])


@optimizer_app.command("add")
def add_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A learned optimizer: velo.")],
    source: Annotated[
        Path, typer.Argument(metavar="PARAMS_FILE", help="The file of its published weights.")
    ],
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Check the published weights of a learned optimizer, and keep a copy for later fits."""
    from inif.optim import weights

    target = weights.add(name, source)
    size = target.stat().st_size
    if as_json:
        emit_json({"name": name, "file": target, "bytes": size})
    else:
        note(f"{name}: weights checked and kept in {target} ({format_size(size)})", quiet=quiet)


def _describe(body: dict[str, Any]) -> str:
    """One optimizer's line for people."""
    if body["learning_rate"] is None:
        text = "learned"
        if not body["ready"]:
            text += f"; needs its weights: inif optimizer add {body['name']} FILE"
    else:
        text = f"learning rate {body['learning_rate']:g}"
    return text + (" (default)" if body["default"] else "")
