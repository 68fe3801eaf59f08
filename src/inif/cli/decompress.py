"""``inif decompress``: a file, or only the part of it that is wanted, as an ordinary image."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inif.cli.common import (
    EVERYDAY,
    JsonFlag,
    QuietFlag,
    emit_json,
    emit_table,
    format_size,
    remarks_noted,
)
from inif.cli.outputs import ForceFlag, check_outputs
from inif.errors import InputError, SelectionError

if TYPE_CHECKING:
    import numpy as np

    from inif import File
    from inif.image import LazyImage, Region


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("decompress", rich_help_panel=EVERYDAY)(decompress)


def decompress(
    source: Annotated[str, typer.Argument(metavar="FILE.inif", help="A path or a URL.")],
    out: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="What to write: .ome.tif, .ome.zarr (both with smaller levels of large planes), "
            ".npy or .png; .csv or .npy with --points.",
        ),
    ],
    region: Annotated[
        str | None,
        typer.Option(metavar='"z=32,y=100:200"', help="Decode this part only; also c=NAME."),
    ] = None,
    stride: Annotated[
        str | None, typer.Option(metavar='"y=4,x=4"', help="Decode every k-th sample only.")
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="MASK.tif",
            help="Decode only where this image is not 0; the rest is written as 0. Its axes are "
            "some of the file's; a mask that names none has the file's last ones.",
        ),
    ] = None,
    points: Annotated[
        Path | None,
        typer.Option(
            metavar="PTS.csv",
            help="Decode at these points only, also between samples; a column per axis (z,y,x).",
        ),
    ] = None,
    force: ForceFlag = False,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Decode a file. What is not asked for is not computed, and memory does not grow with the file.

    The output appears under its name when it is whole. How it is opened in Fiji, QuPath, OMERO and
    others: docs/open-in.md.
    """
    _check_one_way(region or stride, mask, points)
    for option, text in (("--region", region), ("--stride", stride)):
        if text is not None and not text.strip(" ,"):
            raise InputError("this option is empty", field=option, fix="leave it out for all")
    check_outputs([("-o", out)], force=force, inputs=[source, mask, points])
    if points is not None and out.suffix.lower() not in (".csv", ".npy"):
        raise InputError(
            "values at points cannot be written in this format",
            file=out,
            field="-o",
            expected="a name ending in .csv or .npy",
            got=out.suffix or "no ending",
        )
    if points is None:
        from inif.io import output_format

        output_format(out)

    import inif

    start = time.perf_counter()
    with remarks_noted(quiet=quiet) as remarks, inif.open(source) as file:
        if points is not None:
            facts = _points(file, points, out, force)
        elif mask is not None:
            facts = _mask(file, mask, out, force, quiet=quiet or as_json)
        else:
            facts = _region(file, region, stride, out, force, quiet=quiet or as_json)
    facts = {"file": str(out), **facts, "seconds": round(time.perf_counter() - start, 3)}
    facts["remarks"] = remarks
    if as_json:
        emit_json(facts)
    elif not quiet:
        _show(facts)


def _check_one_way(region: str | None, mask: Path | None, points: Path | None) -> None:
    ways = (("--region/--stride", region), ("--mask", mask), ("--points", points))
    given = [name for name, value in ways if value is not None]
    if len(given) > 1:
        raise InputError(
            "only one way to select can be used at a time",
            field=" ".join(given),
            expected="--region and --stride, or --mask, or --points",
            got=f"{len(given)} of them",
        )


def _region(
    file: File, region: str | None, stride: str | None, out: Path, force: bool, *, quiet: bool
) -> dict[str, Any]:
    from inif.axes import compose, parse_region, parse_stride

    selection = None
    if region is not None or stride is not None:
        named = {"file": file.name}
        selection = parse_region(region or "", file.axes, file.shape, file.channels, **named)
        if stride is not None:
            step = parse_stride(stride, file.axes, selection.full_shape, **named)
            selection = compose(selection, step)
        for axis, length, picked in zip(file.axes, file.shape, selection.ranges, strict=True):
            if not picked:
                raise SelectionError(
                    "this part of the region is empty",
                    file=file.name,
                    field=f"--region {axis.lower()}",
                    expected=f"at least one of the samples 0 … {length - 1}",
                    got=region,
                )
    return _written(file.to_source(selection), out, force, quiet=quiet)


def _mask(file: File, mask: Path, out: Path, force: bool, *, quiet: bool) -> dict[str, Any]:
    from inif.io import check_output

    check_output(out, shape=file.shape, axes=file.axes, dtype=file.dtype, overwrite=force)
    chosen = read_mask(mask, file.axes, file.shape)
    facts = _written(masked_source(file.to_source(), chosen), out, force, quiet=quiet)
    return facts | {"samples": int(chosen.sum())}


def masked_source(source: LazyImage, chosen: np.ndarray) -> LazyImage:
    """An image that is 0 outside a mask of its shape.

    Of a region only the box is read that holds the mask's part of it.
    """
    import numpy as np

    def reader(region: Region) -> np.ndarray:
        inside = chosen[region]
        found = np.zeros(inside.shape, source.dtype)
        where = [
            np.flatnonzero(inside.any(axis=tuple(a for a in range(inside.ndim) if a != axis)))
            for axis in range(inside.ndim)
        ]
        if where[0].size:
            box = tuple(slice(int(w[0]), int(w[-1]) + 1) for w in where)
            wanted = tuple(
                slice((r.start or 0) + b.start, (r.start or 0) + b.stop)
                for r, b in zip(region, box, strict=True)
            )
            np.copyto(found[box], source.read(wanted), where=inside[box])
        return found

    return replace(source, reader=reader)


def _written(image: LazyImage, out: Path, force: bool, *, quiet: bool) -> dict[str, Any]:
    from inif.cli.progress import progress_bar
    from inif.io import write_image

    with progress_bar(quiet=quiet, counted=True) as progress:
        write_image(image, out, overwrite=force, progress=progress)
    return {
        "axes": image.axes,
        "shape": list(image.shape),
        "dtype": image.dtype.name,
        "samples": math.prod(image.shape),
    }


def read_mask(path: Path, axes: str, shape: tuple[int, ...]) -> np.ndarray:
    """A binary mask as a bool array of the file's shape, spread along the axes it does not have.

    Raises
    ------
    InputError
        The mask has another size, or an axis that the file does not have.
    """
    import numpy as np

    from inif.io.companion import read_companion

    try:
        image = read_companion(path, axes, some=True)
    except InputError as error:
        error.field = f"--mask {error.field or ''}".strip()
        raise
    lengths = dict(zip(axes, shape, strict=True))
    got = dict(zip(image.axes, image.data.shape, strict=True))
    if any(lengths.get(a) != n for a, n in got.items()):
        raise InputError(
            "the mask does not fit the file",
            file=path,
            field="--mask",
            expected=", ".join(f"{a} {n}" for a, n in lengths.items()) + ", or some of these axes",
            got=", ".join(f"{a} {n}" for a, n in got.items()),
        )
    ordered = [a for a in axes if a in got]
    chosen = np.transpose(image.data != 0, [image.axes.index(a) for a in ordered])
    spread = chosen.reshape([lengths[a] if a in got else 1 for a in axes])
    return np.broadcast_to(spread, shape)


def _points(file: File, points: Path, out: Path, force: bool) -> dict[str, Any]:
    from inif.cli.points import read_points, write_values

    table = read_points(points, file.axes, file.shape)
    values = file.points(table.coords)
    write_values(out, table, values, overwrite=force)
    return {"points": len(values), "samples": len(values), "dtype": values.dtype.name}


def _show(facts: dict[str, Any]) -> None:
    rows: list[tuple[str, object]] = []
    if "axes" in facts:
        pairs = zip(facts["axes"], facts["shape"], strict=True)
        rows.append(("image", " × ".join(f"{a} {n}" for a, n in pairs) + f", {facts['dtype']}"))
    rows.append(("decoded", f"{facts['samples']:,} samples in {facts['seconds']:.3g} s"))
    path = Path(facts["file"])
    if path.is_file():
        rows.append(("size", format_size(path.stat().st_size)))
    emit_table(facts["file"], rows)
