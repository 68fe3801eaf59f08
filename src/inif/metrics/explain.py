"""One sentence per figure, with its numbers, for people who look at cells and not at decibels."""

from __future__ import annotations

import math

from inif.axes import plane_name
from inif.metrics.evaluation import ChannelReport, Evaluation


def explain(e: Evaluation) -> dict[str, str]:
    """Sentences by the name of the figure as in the JSON; those of figures that are there."""
    out: dict[str, str] = {}
    if e.ratio is not None and e.file_bytes is not None:
        out["ratio"] = (
            f"The file takes {100 * e.file_bytes / e.raw_bytes:.3g} % of the space of the samples "
            "as they are in memory."
        )
        out["bits_per_voxel"] = (
            f"A voxel takes {e.bits_per_voxel:.3g} bits in the file; it had "
            f"{8 * e.raw_bytes / math.prod(e.shape):.0f}."
        )
    out["psnr"] = _psnr(e)
    if e.ssim is not None:
        out["ssim"] = (
            "How alike small neighbourhoods look, 1 being the same; grain counts as much as cells, "
            "so that removed noise lowers it, too."
        )
    out["nrmse"] = (
        f"A typical error of a voxel is {100 * e.nrmse:.2g} % of the range from the darkest to the "
        "brightest voxel."
    )
    out["max_error"] = "The voxel that is farthest off; a hot pixel may be all it is."
    out["mean_error"] = "Whether the whole image came out brighter (+) or darker (-)."
    out["worst_slice"] = (
        f"Look at {plane_name(e.worst_slice.index)} first: its voxels are farther off than those "
        "of any other."
    )
    if any(c.resolution is not None for c in e.channels):
        out["detail"] = (
            "The finest structure that is still there, at least half as strong as it was; noise, "
            "which is finer still, counts as structure here."
        )
    out["residual"] = (
        "What the error looks like: noise is as strong everywhere, unlike the image, and unlike "
        "its own neighbours; whatever is not was structure."
    )
    out["peaks"] = (
        "Whether the brightest voxels keep their height; that of noise they need not keep."
    )
    out["profiles"] = (
        "Quality of each slice and time point: a dip shows which one to look at before trusting it."
    )
    if any(c.places is not None for c in e.channels):
        out["places"] = (
            "Blocks of the image whose error is more than the original's noise can explain: there, "
            "and at the spots that are named, something real was changed."
        )
    out |= {t.task: _TASKS[t.task] for t in e.tasks if t.task in _TASKS}
    if len(e.channels) > 1:
        out["channels"] = _channels(e)
    return out


_TASKS = {
    "spots": "Of the bright spots that a program would count in the original, so many are found "
    "again in the same place.",
    "noise": "Whether what was taken away is only the grain of the camera, or also structure.",
}


def _psnr(e: Evaluation) -> str:
    if e.lossless:
        return "Every voxel is exactly what it was."
    ranges = {c.range for c in e.channels}
    on = "its channel's own range"
    if len(ranges) == 1:
        low, high = e.channels[0].range
        on = f"the range {low:g} … {high:g} counts of the original"
    return f"How small errors are against {on}; 6 dB more mean errors of half the size."


def _channels(e: Evaluation) -> str:
    """The channels side by side, two or more."""
    varied = [c for c in e.channels if not c.constant]
    if len(varied) < 2:
        return "Only one channel varies."
    worst, best = min(varied, key=_db), max(varied, key=_db)
    if math.isinf(worst.psnr):
        return "Every channel is exact."
    least = f"Channel {worst.name} is the worst, {worst.psnr:.1f} dB on its own range"
    if math.isinf(best.psnr):
        return f"{least}; channel {best.name} is exact."
    return (
        f"{least}: it keeps {best.psnr - worst.psnr:.1f} dB less than channel {best.name} "
        f"({best.psnr:.1f} dB)."
    )


def _db(c: ChannelReport) -> float:
    return c.psnr
