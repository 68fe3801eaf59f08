"""Plain sentences on where a compressed image is worse than its original.

A table of numbers hides its worst entry; these rules look for it. Each rule is one small function
that yields sentences; thresholds are named here and nowhere else.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from inif.axes import plane_name
from inif.metrics import findings_places as places
from inif.metrics.evaluation import ChannelReport, Evaluation

WORST_SLICE_DB = 3.0
CHANNEL_DB = 6.0
SATURATED = 1e-4
NEWLY_SATURATED = 1e-5
PEAK_PERCENT = -5.0
BIAS = 0.002
FINE_POWER = 0.5
SMOOTH_RESIDUAL = 0.3
LOST_STRUCTURE = 0.5
LARGE_ERROR = 0.3
RECORD_DB = 0.05
GROUPED = 3


@dataclass(frozen=True)
class Finding:
    """One sentence on one channel; findings of one kind are comparable by their severity."""

    kind: str
    severity: float
    text: str


def findings(evaluation: Evaluation) -> tuple[str, ...]:
    """All sentences for an evaluation, the general ones first.

    Where more than three channels share a problem, the worst of them speaks for all.
    """
    if evaluation.lossless:
        return tuple(_record(evaluation))
    out = [*_record(evaluation), *_weak_channels(evaluation), *places.drops(evaluation)]
    many = len(evaluation.channels) > 1
    found: dict[str, list[tuple[Finding, str]]] = {}
    for channel in evaluation.channels:
        dropped = any(places.dropped(p) for p in evaluation.profiles if p.channel == channel.index)
        for finding in _channel(channel, dropped=dropped):
            found.setdefault(finding.kind, []).append((finding, channel.name))
    for same in found.values():
        worst = max(same, key=lambda pair: pair[0].severity)
        for finding, name in [worst] if len(same) > GROUPED else same:
            text = f"Channel {name}: {finding.text}" if many else _capital(finding.text)
            if len(same) > GROUPED:
                text += f" ({len(same)} of {len(evaluation.channels)} channels; this is the worst.)"
            out.append(text)
    if evaluation.ssim_note:
        out.append(f"{_capital(evaluation.ssim_note)}.")
    return tuple(out)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _channel(c: ChannelReport, *, dropped: bool) -> Iterator[Finding]:
    """Findings on a channel; `dropped` says that its worst slices are named already."""
    if math.isinf(c.psnr):
        return
    if c.constant:
        yield Finding(
            "constant",
            c.max_error,
            f"the original is constant ({c.range[0]:g}) but the decoded channel is not; "
            "its errors are measured with a range of 1 count.",
        )
        return
    noise = c.places is not None and c.places.like_noise
    yield from _places(c)
    if not noise and not dropped:
        yield from _worst_slice(c)
    yield from _residual(c)
    yield from _fine_detail(c)
    if not noise:
        yield from _peaks(c)
    yield from _saturation(c)


def _record(e: Evaluation) -> Iterator[str]:
    """The file's own record of its quality should be what is measured now."""
    for c, bound in zip(e.channels, (e.provenance or {}).get("bound", ()), strict=False):
        if c.max_error > bound:
            where = f"channel {c.name}" if len(e.channels) > 1 else "a sample"
            yield (
                f"The file states a bound of {bound:g} but {where} is off by {c.max_error:g}: "
                "is this the image that the file was made from?"
            )
    said = (e.provenance or {}).get("psnr")
    if isinstance(said, bool) or not isinstance(said, int | float):
        return
    if math.isinf(e.psnr) or abs(said - e.psnr) > RECORD_DB:
        measured = "exact" if math.isinf(e.psnr) else f"{e.psnr:.2f} dB"
        yield (
            f"The file's own record says {said:.2f} dB but it measures {measured}: "
            "is this the image that the file was made from?"
        )


def _weak_channels(e: Evaluation) -> Iterator[str]:
    """Each channel against the others: the median of these, so that two channels count alike."""
    varied = [c for c in e.channels if not c.constant]
    weak = []
    for c in varied:
        others = [o.psnr for o in varied if o is not c]
        if others and statistics.median(others) - c.psnr > CHANNEL_DB:
            weak.append((c, statistics.median(others)))
    for c, middle in sorted(weak, key=lambda pair: pair[0].psnr)[:GROUPED]:
        than = "the others do" if len(varied) > 2 else f"channel {_other(varied, c).name}"
        gap = "are exact" if math.isinf(middle) else f"{middle - c.psnr:.1f} dB less than {than}"
        head = f"Channel {c.name} has {c.psnr:.1f} dB on its own range"
        noise = (
            " What was removed there passes for noise."
            if c.places is not None and c.places.like_noise
            else ""
        )
        if math.isinf(middle):
            yield f"{head}; the others {gap}.{noise}"
        else:
            yield f"{head}, {gap} ({middle:.1f} dB).{noise}"


def _other(channels: list[ChannelReport], c: ChannelReport) -> ChannelReport:
    return next(o for o in channels if o is not c)


def _worst_slice(c: ChannelReport) -> Iterator[Finding]:
    gap = c.median_slice_psnr - c.worst_slice.psnr
    if math.isfinite(gap) and gap > WORST_SLICE_DB:
        yield Finding(
            "worst slice",
            gap,
            f"{plane_name(c.worst_slice.index)} has {c.worst_slice.psnr:.1f} dB, {gap:.1f} dB less "
            f"than the median slice ({c.median_slice_psnr:.1f} dB).",
        )


def _places(c: ChannelReport) -> Iterator[Finding]:
    for kind, many, text in places.lost_spots(c):
        yield Finding(kind, many, text)
    blocks = places.lost_blocks(c)
    if blocks is not None and c.places is not None:
        yield Finding("blocks", c.places.failed / c.places.blocks, blocks)


def _residual(c: ChannelReport) -> Iterator[Finding]:
    size = c.range[1] - c.range[0]
    smooth = _smoothness(c)
    lost = c.residual.lost_correlation
    if smooth is not None and smooth > SMOOTH_RESIDUAL:
        if lost is not None and lost > LOST_STRUCTURE:
            yield Finding(
                "structure",
                lost,
                f"structure was lost: what is missing resembles the image (correlation {lost:.2f}) "
                f"and is smooth (neighbouring errors correlate by {smooth:.2f}).",
            )
        else:
            yield Finding(
                "smooth error",
                smooth,
                "the error is not noise-like: neighbouring errors correlate by "
                f"{smooth:.2f} (0 for noise).",
            )
    if abs(c.mean_error) > BIAS * size:
        word = "brighter" if c.mean_error > 0 else "darker"
        yield Finding(
            "bias",
            abs(c.mean_error) / size,
            f"the decoded image is {word} by {abs(c.mean_error):.3g} counts on average "
            f"({100 * abs(c.mean_error) / size:.2f} % of the range).",
        )
    if c.max_error > LARGE_ERROR * size:
        yield Finding(
            "large error",
            c.max_error / size,
            f"single voxels are off by up to {c.max_error:g} counts "
            f"({100 * c.max_error / size:.0f} % of the range).",
        )


def _fine_detail(c: ChannelReport) -> Iterator[Finding]:
    if c.spectrum is None or c.resolution is None:
        return
    low, high, ratio = c.spectrum.octaves[0]
    if ratio is None or ratio >= FINE_POWER:
        return
    period = c.resolution.period_pixels
    kept = (
        "no detail is kept in full"
        if period is None
        else f"detail is kept down to a period of {period:.1f} pixels"
    )
    noise = places.noise_words(c)
    yield Finding(
        "fine detail",
        1 - ratio,
        f"of the finest detail ({low:g} to {high:g} cycles/pixel) {100 * ratio:.0f} % of the power "
        f"is left; {kept}.{noise}",
    )


def _peaks(c: ChannelReport) -> Iterator[Finding]:
    bias = c.peaks.bias_percent
    if bias is not None and bias < PEAK_PERCENT:
        yield Finding(
            "peaks",
            -bias,
            f"bright spots are flattened: the brightest 0.1 % of the voxels come out {-bias:.0f} % "
            "lower (of their height above the mean; a part of it may be noise).",
        )


def _saturation(c: ChannelReport) -> Iterator[Finding]:
    before, after = c.residual.saturated_original, c.residual.saturated_decoded
    if before is None or after is None:
        return
    if before > SATURATED:
        yield Finding(
            "saturated",
            before,
            f"{100 * before:.2g} % of the original's voxels are saturated (largest value of the "
            "data type): what they hid was lost before compression.",
        )
    if after > before + NEWLY_SATURATED:
        yield Finding(
            "newly saturated",
            after - before,
            f"decoding saturates more voxels than the original has ({100 * after:.2g} % instead of "
            f"{100 * before:.2g} %).",
        )


def _smoothness(c: ChannelReport) -> float | None:
    """The larger of the residual's lag-1 correlations along Y and X."""
    lags = [v for v in (c.residual.lag1_y, c.residual.lag1_x) if v is not None]
    return max(lags) if lags else None
