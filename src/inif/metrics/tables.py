"""The tables of a report as plain strings, once, for the terminal and for HTML alike."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from inif.metrics.evaluation import ChannelReport, Evaluation, Resolution
from inif.metrics.findings import place

PROVENANCE = ("method", "target", "psnr", "max_error", "seed", "encoder", "sha256")


@dataclass(frozen=True)
class Table:
    """A title, column heads (empty: a list of names and values) and rows of cells."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def tables(e: Evaluation) -> list[Table]:
    """All tables of an evaluation, most important first."""
    out = [summary(e), quality(e), losses(e)]
    if any(c.spectrum is not None for c in e.channels):
        out.append(detail(e))
    if e.provenance is not None:
        out.append(provenance(e))
    return out


def summary(e: Evaluation) -> Table:
    """The figures that decide: size, ratio, pooled quality, worst slice."""
    rows = [
        ("Image", f"{' × '.join(map(str, e.shape))} ({e.axes}), {e.dtype}"),
        ("Raw size", f"{e.raw_bytes:,} bytes"),
    ]
    if e.file_bytes is not None and e.ratio is not None and e.bits_per_voxel is not None:
        rows += [
            ("File size", f"{e.file_bytes:,} bytes"),
            ("Ratio", f"{e.ratio:.4g} × smaller"),
            ("Bits per voxel", f"{e.bits_per_voxel:.4g}"),
        ]
    rows += [
        ("PSNR", decibel(e.psnr)),
        ("SSIM", number(e.ssim, 4) + (f" ({e.ssim_note})" if e.ssim_note else "")),
        ("NRMSE", f"{100 * e.nrmse:.3g} % of the range"),
        ("Largest error", f"{e.max_error:.6g} counts"),
        ("Mean error", f"{e.mean_error:+.3g} counts"),
        (
            "Worst slice",
            f"{place(e.worst_slice)}: {decibel(e.worst_slice.psnr)}, "
            f"SSIM {number(e.worst_slice.ssim, 4)}",
        ),
    ]
    return Table("Summary", (), tuple(rows))


def quality(e: Evaluation) -> Table:
    """Fidelity of each channel, with the range that it refers to."""
    head = ("Channel", "Range used", "PSNR", "SSIM", "NRMSE", "Largest error", "Mean error")
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
    return Table("Fidelity by channel", (*head, "Worst slice"), _with_worst(e, rows), note)


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
    return Table("What was lost", head, rows, note)


def detail(e: Evaluation) -> Table:
    """Power kept per octave, and the finest detail kept."""
    first = next(c.spectrum for c in e.channels if c.spectrum is not None)
    octaves = tuple(f"{low:.3g} - {high:.3g}" for low, high, _ in first.octaves)
    rows = tuple((c.name, finest(c.resolution), *_powers(c)) for c in e.channels)
    note = (
        "Power of decoded / original per band, in cycles/pixel. Finest detail kept: the shortest "
        "period down to which ring correlation and transfer stay at or above one half."
    )
    return Table("Fine detail", ("Channel", "Finest detail kept", *octaves), rows, note)


def provenance(e: Evaluation) -> Table:
    """How the file says it was made."""
    record = dict(e.provenance or {})
    keys = [k for k in PROVENANCE if k in record] + sorted(set(record) - set(PROVENANCE))
    return Table("Provenance", (), tuple((str(k), _plain(record[k])) for k in keys))


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
