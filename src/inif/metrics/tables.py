"""The tables of a report as plain strings, once, for the terminal and for HTML alike."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inif.axes import plane_name
from inif.metrics.evaluation import ChannelReport, Evaluation, Resolution
from inif.metrics.findings_places import block_name

if TYPE_CHECKING:
    from inif.metrics.tasks.task import TaskResult

INTERNAL = frozenset({"auto", "knob"})
"""What the record says of how the encoder found its settings; of interest to developers."""

PROVENANCE = ("method", "target", "psnr", "max_error", "seed", "encoder", "sha256")


@dataclass(frozen=True)
class Table:
    """A title, column heads (empty: a list of names and values) and rows of cells.

    `channels` holds the index of the channel of every row, where rows belong to channels.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    channels: tuple[int, ...] | None = None


def tables(e: Evaluation, *, verbose: bool = False) -> list[Table]:
    """All tables of an evaluation, most important first."""
    out = [summary(e), quality(e)]
    if any(c.places is not None for c in e.channels):
        out.append(places(e))
    if e.profiles:
        out.append(along(e))
    out.append(losses(e))
    if any(c.spectrum is not None for c in e.channels):
        out.append(detail(e))
    if e.against is not None:
        out.append(side_by_side(e, e.against))
    out += _tasks(e)
    if e.provenance is not None:
        out.append(provenance(e, verbose=verbose))
    return out


def summary(e: Evaluation) -> Table:
    """The figures that decide: size, ratio, pooled quality, worst slice; each with a sentence."""
    words = e.explain
    rows: list[tuple[str, str, str]] = [
        ("Image", f"{' × '.join(map(str, e.shape))} ({e.axes}), {e.dtype}", ""),
        ("Raw size", f"{e.raw_bytes:,} bytes", ""),
    ]
    if e.file_bytes is not None and e.ratio is not None and e.bits_per_voxel is not None:
        rows += [
            ("File size", f"{e.file_bytes:,} bytes", ""),
            ("Ratio", f"{e.ratio:.4g} × smaller", words["ratio"]),
            ("Bits per voxel", f"{e.bits_per_voxel:.4g}", words["bits_per_voxel"]),
        ]
    rows += [
        ("PSNR", decibel(e.psnr), words["psnr"]),
        (
            "SSIM",
            number(e.ssim, 4) + (f" ({e.ssim_note})" if e.ssim_note else ""),
            words.get("ssim", ""),
        ),
        ("NRMSE", f"{100 * e.nrmse:.3g} % of the range", words["nrmse"]),
        ("Largest error", f"{e.max_error:.6g} counts", words["max_error"]),
        ("Mean error", f"{e.mean_error:+.3g} counts", words["mean_error"]),
    ]
    if e.worst_slice.index:
        text = f"{plane_name(e.worst_slice.index)}: {decibel(e.worst_slice.psnr)}"
        rows.append(("Worst slice", text, words["worst_slice"]))
    if "channels" in words:
        rows.append(("Channels", f"{len(e.channels)}", words["channels"]))
    return Table("Summary", (), tuple(rows))


def places(e: Evaluation) -> Table:
    """Per channel: blocks whose error is more than noise, spots lost and new, the worst block."""
    rows = []
    for c in e.channels:
        p = c.places
        if p is None:
            continue
        lost = [f"{s.changed:,} of {s.original:,}" for s in p.spots[:2]]
        new = sum(s.changed for s in p.spots[2:])
        worst = f"{block_name(p.worst[0])}" if p.worst else "-"
        rows.append((c.name, f"{p.failed:,} of {p.blocks:,}", *lost, f"{new:,}", worst))
    note = (
        "Blocks of 32 × 32 pixels; spots and holes are counted slice by slice. "
        + e.explain["places"]
    )
    head = ("Channel", "Blocks", "Bright lost", "Dark lost", "New", "Worst block")
    return Table("Where structure was lost", head, tuple(rows), note, _indices(e))


def along(e: Evaluation) -> Table:
    """The worst slices and time points of every channel."""
    rows, channels = [], []
    for p in e.profiles:
        order = sorted(range(len(p.psnr)), key=lambda i: p.psnr[i])[:3]
        middle = sorted(p.psnr)[len(p.psnr) // 2]
        worst = ", ".join(f"{p.axis}={i}: {decibel(p.psnr[i])}" for i in order)
        rows.append((e.channels[p.channel].name, p.axis.upper(), decibel(middle), worst))
        channels.append(p.channel)
    head = ("Channel", "Along", "Median", "Worst")
    note = e.explain["profiles"]
    return Table("Slices and time points (PSNR)", head, tuple(rows), note, tuple(channels))


def _indices(e: Evaluation) -> tuple[int, ...]:
    return tuple(c.index for c in e.channels if c.places is not None)


def quality(e: Evaluation) -> Table:
    """Fidelity of each channel, with the range that it refers to."""
    errors = ("NRMSE", "Largest error", "Mean error", "Worst slice")
    head = ("Channel", "Range used", "PSNR", "SSIM", *errors)
    rows = tuple(
        (
            c.name,
            f"{c.range[0]:g} … {c.range[1]:g}",
            decibel(c.psnr),
            number(c.ssim, 4),
            f"{100 * c.nrmse:.3g} %",
            f"{c.max_error:.6g}",
            f"{c.mean_error:+.3g}",
        )
        for c in e.channels
    )
    note = (
        "Each channel is scaled by its own max - min in the original (by 1 if it is constant). "
        "Errors are decoded - original, in counts."
    )
    channels = tuple(c.index for c in e.channels)
    return Table("Fidelity by channel", head, _with_worst(e, rows), note, channels)


def losses(e: Evaluation) -> Table:
    """What the error looks like: size, structure, bright spots."""
    head = (
        "Channel",
        "Error std",
        "Off by > 1 / 5 / 10 %",
        "Loss resembles image",
        "Neighbouring errors (y, x)",
        "Brightest 0.1 %",
    )
    rows = tuple(
        (
            c.name,
            f"{c.residual.std:.4g}",
            " / ".join(
                f"{100 * v:.2g} %"
                for v in (
                    c.residual.off_by_1_percent,
                    c.residual.off_by_5_percent,
                    c.residual.off_by_10_percent,
                )
            ),
            number(c.residual.lost_correlation, 2),
            f"{number(c.residual.lag1_y, 2)}, {number(c.residual.lag1_x, 2)}",
            "-" if c.peaks.bias_percent is None else f"{c.peaks.bias_percent:+.1f} %",
        )
        for c in e.channels
    )
    note = (
        "Share of voxels off by more than 1, 5 and 10 % of the range. Correlations: of what was "
        "lost with the original, and of errors with their neighbours (near 0: like noise). "
        "Brightest 0.1 %: change of their height above the mean."
    )
    return Table("What was lost", head, rows, note, tuple(c.index for c in e.channels))


def detail(e: Evaluation) -> Table:
    """Power kept per octave, and the finest detail kept."""
    first = next(c.spectrum for c in e.channels if c.spectrum is not None)
    octaves = tuple(f"{low:.3g} - {high:.3g}" for low, high, _ in first.octaves)
    rows = tuple((c.name, finest(c.resolution), *_powers(c)) for c in e.channels)
    note = (
        "Power of decoded / original per band, in cycles/pixel. Finest detail kept: the shortest "
        "period down to which ring correlation and transfer stay at or above one half."
    )
    head = ("Channel", "Finest detail kept", *octaves)
    return Table("Fine detail", head, rows, note, tuple(c.index for c in e.channels))


def provenance(e: Evaluation, *, verbose: bool = False) -> Table:
    """How the file says it was made; `verbose` with how its encoder searched."""
    record = {k: v for k, v in (e.provenance or {}).items() if verbose or k not in INTERNAL}
    keys = [k for k in PROVENANCE if k in record] + sorted(set(record) - set(PROVENANCE))
    return Table("Provenance", (), tuple((str(k), _plain(record[k])) for k in keys))


def side_by_side(e: Evaluation, other: Evaluation) -> Table:
    """Size and fidelity of two compressed versions of one original."""
    columns = [
        (
            "-" if x.file_bytes is None else f"{x.file_bytes:,} bytes",
            "-" if x.ratio is None else f"{x.ratio:.4g} × smaller",
            decibel(x.psnr),
            number(x.ssim, 4),
            f"{100 * x.nrmse:.3g} %",
            f"{x.max_error:.6g} counts",
            decibel(x.worst_slice.psnr),
        )
        for x in (e, other)
    ]
    names = ("File size", "Ratio", "PSNR", "SSIM", "NRMSE", "Largest error", "Worst slice")
    return Table("Side by side", ("Figure", *_files(e)), tuple(zip(names, *columns, strict=True)))


def _tasks(e: Evaluation) -> list[Table]:
    """One table per task: a row per channel and figure, a column per file."""
    out = []
    both = [e] if e.against is None else [e, e.against]
    many = len(e.channels) > 1
    for number_, task in enumerate(e.tasks):
        rows, channels = [], []
        for c in e.channels:
            found = [x.tasks[number_].channels[c.index] for x in both]
            for figures in zip(*(f.figures for f in found), strict=True):
                label = (figures[0].label, *(f.text for f in figures))
                rows.append((c.name, *label) if many else label)
                channels.append(c.index)
        head = ("Channel", "Figure") if many else ("Figure",)
        out.append(
            Table(
                f"Task {task.task}",
                (*head, *_files(e)),
                tuple(rows),
                _about(e, task),
                tuple(channels),
            )
        )
    return out


def _about(e: Evaluation, task: TaskResult) -> str:
    """What a task asks, how it measures, and on what part of the image."""
    plain = e.explain.get(task.task, "")
    sample = f" On {task.sample}." if task.sample else ""
    return f"{task.about}{sample} {plain}".strip()


def _files(e: Evaluation) -> tuple[str, ...]:
    """Heads of the columns: the files' names, their paths where the names are the same."""
    if e.against is None:
        return ("Decoded",)
    paths = (e.compressed or "Decoded", e.against.compressed or "Other")
    short = tuple(re.split(r"[/\\]", p.rstrip("/\\"))[-1] for p in paths)
    return short if short[0] != short[1] else paths


def decibel(value: float) -> str:
    """A PSNR for people."""
    return "exact" if math.isinf(value) else f"{value:.2f} dB"


def number(value: float | None, digits: int) -> str:
    """A number with a fixed count of decimals, "-" for none."""
    return "-" if value is None else f"{value:.{digits}f}"


def finest(r: Resolution | None) -> str:
    """The resolution kept in words."""
    if r is None:
        return "-"
    if r.period_pixels is None:
        return "none"
    text = f"{r.period_pixels:.2f} pixels"
    return text if r.period is None else f"{text}, {r.period:.3g} {r.unit or ''}".rstrip()


def _with_worst(e: Evaluation, rows: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    out = []
    for row, c in zip(rows, e.channels, strict=True):
        index = {k: v for k, v in c.worst_slice.index.items() if k != "c"}
        where = ", ".join(f"{k}={v}" for k, v in index.items())
        out.append((*row, f"{where}: {decibel(c.worst_slice.psnr)}" if where else "-"))
    return tuple(out)


def _powers(c: ChannelReport) -> tuple[str, ...]:
    if c.spectrum is None:
        return ()
    return tuple("-" if r is None else f"{100 * r:.3g} %" for _, _, r in c.spectrum.octaves)


def _plain(value: object) -> str:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)
