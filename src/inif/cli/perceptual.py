"""``inif perceptual``: tune LPIPS on one's own images, for the guide and the task of that name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inif.cli.common import (
    ADVANCED,
    MORE,
    AxesOption,
    JsonFlag,
    QuietFlag,
    emit_json,
    note,
    read_input,
)
from inif.cli.outputs import ForceFlag, check_outputs
from inif.cli.progress import progress_bar
from inif.errors import InputError

perceptual_app = typer.Typer(
    help="Tune LPIPS, which judges and guides by looks.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(perceptual_app, name="perceptual", rich_help_panel=MORE)


@perceptual_app.callback()
def _group() -> None:
    """Tune LPIPS, which judges and guides by looks."""


@perceptual_app.command("tune")
def tune_command(
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGES…", help="Images of the kind that matters.")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE.safetensors", help="Where the heads go.")
    ],
    axes: AxesOption = None,
    slices: Annotated[
        int, typer.Option(min=1, help="Of each image, evenly spaced.", rich_help_panel=ADVANCED)
    ] = 6,
    seed: Annotated[
        int, typer.Option(min=0, help="Of everything random.", rich_help_panel=ADVANCED)
    ] = 0,
    force: ForceFlag = False,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Tune the linear heads of LPIPS: what damages a slice more shall be farther from it.

    Use them as `--guide perceptual:heads=FILE.safetensors` and `--task
    perceptual:heads=FILE.safetensors`. Every fourth slice is left out of the tuning, and says how
    well heads rank distortions by damage before and after.
    """
    check_outputs([("-o", out)], force=force, inputs=images)

    from inif.guidance.tune import Settings, tuned
    from inif.perceptual import weights

    if out.suffix != weights.ENDING:
        raise InputError(
            "heads are safetensors files", field="-o", expected=f"NAME{weights.ENDING}", got=out
        )
    weights.require()
    settings = Settings(slices=slices, seed=seed)
    with progress_bar(quiet=quiet or as_json) as progress:
        read = (read_input(name, axes, 0) for name in images)
        result = tuned(weights.load(), read, settings, progress)
    made = f"inif perceptual tune, seed {seed}"
    weights.save_heads(result.heads, out, made, overwrite=force)
    if as_json:
        emit_json({"out": out, "images": len(images), "seed": seed, **result.to_json()})
        return
    note(f"{out}: tuned on {result.slices} slices of {len(images)} images", quiet=quiet)
    if result.after is not None and result.before is not None:
        before, after = result.before["all"], result.after["all"]
        text = f"rank correlation on {result.left_out} slices left out: {before:.3f}"
        note(f"{text} before, {after:.3f} after", quiet=quiet)
