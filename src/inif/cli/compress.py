"""``inif compress``: an image in, one ``.inif`` file of the asked-for size or quality out."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated, Any

import typer

from inif.cli.common import (
    ADVANCED,
    EVERYDAY,
    PARTIAL,
    AxesOption,
    JsonFlag,
    QuietFlag,
    SeriesOption,
    VerboseFlag,
    emit_json,
    parse_size,
    remarks_noted,
)
from inif.cli.compressed import quality_of, show, summary
from inif.cli.forecast import foretell_one
from inif.cli.many import (
    DryRunFlag,
    JobsOption,
    OutDirOption,
    SkipFlag,
    SummaryOption,
    compress_all,
    is_many,
)
from inif.cli.outputs import ForceFlag, inif_output
from inif.cli.plain import stored_as
from inif.cli.progress import progress_bar
from inif.cli.scale import (
    CheckFlag,
    ChunksOption,
    LogOption,
    SchedulerOption,
    ShardsOption,
    WorkersOption,
    check_file,
    compress_store,
)
from inif.errors import InputError
from inif.outputs import is_store, is_url

DEFAULT_RATIO = 128.0
DEFAULT_EFFORT = 3


class Method(StrEnum):
    """The values of ``--method``."""

    AUTO = "auto"
    LATENT = "latent"
    HYBRID = "hybrid"
    SIREN = "siren"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("compress", rich_help_panel=EVERYDAY)(compress)


def compress(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="IN",
            help="The image: a path, or a URL of a Zarr image. With --out-dir several, folders, "
            "and patterns in quotes.",
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT.inif",
            help="The file to write, or an existing folder for it (default: IN with the ending "
            ".inif and the number of the series).",
        ),
    ] = None,
    ratio: Annotated[
        float | None,
        typer.Option(
            metavar="R", help="Size of the samples in memory over size of the file (default: 128)."
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="BYTES", help="Size of the file instead: 20000, 20kB, 1.5MB, 64KiB."),
    ] = None,
    psnr: Annotated[
        float | None,
        typer.Option(metavar="DB", help="Quality that every channel is to have instead, in dB."),
    ] = None,
    max_error: Annotated[
        str | None,
        typer.Option(
            metavar="E",
            help="By how much any sample may be off instead: 3, or 0.5% of the range; 0 for none.",
        ),
    ] = None,
    method: Annotated[
        Method,
        typer.Option(
            help="latent: quantised grids, the same on every machine; hybrid: a codec's streams and"
            " a field that repairs them; siren: a pure field.",
            rich_help_panel=ADVANCED,
        ),
    ] = Method.AUTO,
    share: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.9,
            help="Share of a hybrid's bytes for a pure field; the paper's: 0.1.",
            rich_help_panel=ADVANCED,
        ),
    ] = 0.0,
    effort: Annotated[
        int, typer.Option(min=1, max=9, help="1 is quickest, 9 is best.")
    ] = DEFAULT_EFFORT,
    optimizer: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="auto, adam, adamw, adamax, sgd, muon, …", rich_help_panel=ADVANCED
        ),
    ] = "auto",
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Codec of a hybrid: av1, hevc, jpeg2000, …",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    select: Annotated[
        str,
        typer.Option(
            metavar="NAME[:opts]",
            help="How frames are judged, repaired or not: psnr, ssim, or a task as in spots, "
            "mask:tophat, objects:otsu, frc, intensity:labels=FILE.",
            rich_help_panel=ADVANCED,
        ),
    ] = "psnr",
    guide: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:opts]",
            help="What the analysis needs: filaments, blobs, perceptual, mask:FILE or "
            "python:MODULE:FUNCTION; may be repeated.",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    lossless: Annotated[
        bool,
        typer.Option(
            "--lossless",
            help="Store the samples exactly, of any type: labels, masks, tiny images.",
        ),
    ] = False,
    axes: AxesOption = None,
    series: SeriesOption = 0,
    seed: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Same seed, same machine: same file.", rich_help_panel=ADVANCED
        ),
    ] = 0,
    time_limit: Annotated[
        float | None,
        typer.Option(
            metavar="S", help="Be done after about this many seconds.", rich_help_panel=ADVANCED
        ),
    ] = None,
    keep_partial: Annotated[
        bool,
        typer.Option(
            "--keep-partial",
            help="On Ctrl-C, write the best so far, if it is near what is asked for (exit code 3).",
            rich_help_panel=ADVANCED,
        ),
    ] = False,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="BYTES",
            help="Memory for the work, about: 2GB (default: a quarter of the machine's).",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    chunks: ChunksOption = None,
    shards: ShardsOption = None,
    verify: CheckFlag = False,
    log: LogOption = None,
    out_dir: OutDirOption = None,
    jobs: JobsOption = None,
    skip_existing: SkipFlag = False,
    dry_run: DryRunFlag = False,
    summary_table: SummaryOption = None,
    force: ForceFlag = False,
    verbose: VerboseFlag = False,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Compress an image of 1 to 5 axes; uint8, uint16, int16 or float32.

    The target is one of --ratio, --size, --psnr and --max-error, or all samples exactly with
    --lossless. The last two take samples of any type.

    A ratio is met exactly: never less, and at most 1 % more.

    An output OUT.ome.zarr is a store of any size, written shard by shard; the ratio is then met
    within 1 %, and after an interruption the same command goes on where it stopped.
    """
    asked = dict(locals())
    target = _target(ratio, size, psnr, max_error, lossless=lossless)
    if out is not None and is_store(out):
        compress_store(asked, target)
        return
    check_file(asked)
    if time_limit is not None and not time_limit > 0:
        raise InputError(
            "this time limit cannot be used",
            field="--time-limit",
            expected="seconds, more than 0",
            got=time_limit,
        )
    options: dict[str, Any] = {
        **target,
        "method": method.value,
        "share": share,
        "effort": effort,
        "optimizer": optimizer,
        "codec": codec,
        "select": select,
        "guide": guide or (),
        "lossless": lossless,
        "seed": seed,
        "time_limit": time_limit,
    }
    room = None if memory is None else parse_size(memory)
    alone = {"-o": out, "--series": series, "--keep-partial": keep_partial}
    many = {"--jobs": jobs, "--skip-existing": skip_existing, "--summary": summary_table}
    if is_many(sources, out_dir, alone=alone, many=many):
        assert out_dir is not None
        compress_all(
            sources,
            out_dir,
            jobs=jobs,
            skip_existing=skip_existing,
            dry_run=dry_run,
            summary=summary_table,
            force=force,
            axes=axes,
            memory=room,
            options=options,
            quiet=quiet,
            as_json=as_json,
        )
        return
    (source,) = sources
    if not is_url(source):
        from inif.io import detect

        detect(source)
    target_file = inif_output(out, source, series, force=force)
    if dry_run:
        foretell_one(source, target_file, series, axes, room, options, as_json=as_json)
        return

    import inif
    from inif.io import open_image

    start = time.perf_counter()
    with (
        progress_bar(quiet=quiet, by_psnr=psnr is not None) as progress,
        remarks_noted(quiet=quiet) as remarks,
        open_image(source, axes=axes, scene=series) as image,
    ):
        file = inif.compress(
            image,
            out=target_file,
            overwrite=force,
            keep_partial=keep_partial,
            memory=room,
            progress=progress,
            **options,
        )
    with file:
        way = stored_as(file.header)
        outliers = len(file.outliers.positions)
        quality = quality_of(file.header, outliers=outliers > 0)
        facts = summary(file, target_file, seconds=time.perf_counter() - start)
    facts |= {"outliers": outliers, "remarks": remarks}
    if as_json:
        emit_json(facts)
    elif not quiet:
        show(facts, way, quality, verbose=verbose)
    if facts.get("stopped") == "interrupt":
        raise typer.Exit(PARTIAL)


def _target(
    ratio: float | None,
    size: str | None,
    psnr: float | None,
    max_error: str | None,
    *,
    lossless: bool,
) -> dict[str, Any]:
    named = (("--ratio", ratio), ("--size", size), ("--psnr", psnr), ("--max-error", max_error))
    given = [name for name, value in named if value is not None]
    given += ["--lossless"] * lossless
    if len(given) > 1:
        raise InputError(
            "a file has one target",
            field=" ".join(given),
            expected="one of --ratio, --size, --psnr, --max-error and --lossless",
            got=f"{len(given)} of them",
        )
    if size is not None:
        return {"size": parse_size(size)}
    if psnr is not None:
        return {"psnr": psnr}
    if max_error is not None:
        return {"max_error": max_error}
    return {} if lossless else {"ratio": DEFAULT_RATIO if ratio is None else ratio}
