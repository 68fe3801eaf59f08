"""Sentences on the places where structure was lost, and on what may pass for noise.

Kept apart from `findings.py`, whose rules look at a channel's figures as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator

from inif.metrics.evaluation import ChannelReport, Evaluation
from inif.metrics.places import ChannelPlaces, Place, SpotLoss, SpotSlice, percent_of
from inif.metrics.profiles import Profile

DROP_DB = 2.0
"""How far below its neighbours an index along Z or T lies to be named."""

FAILED_SHARE = 0.002
"""Share of blocks from which their failing is no chance, unless one of them is plain."""

PLAIN = 1.5
"""Times noise that a single block must reach to be named."""

FEW_SPOTS, RARE, SPOT_SHARE = 3, 5e-4, 0.05
"""Lost spots are a warning if they are so many and no rare chance, or more than a share of all."""

_WORDS = {
    "lost bright": "small bright structures of the original are lost",
    "lost dark": "small dark structures of the original are lost",
    "new bright": "small bright structures appear that the original does not have",
    "new dark": "small dark structures appear that the original does not have",
}


def block_name(place: Place) -> str:
    """``"z=30, y=96…128, x=64…96"``."""
    return f"{_index(place.index)}y={_span(place.y)}, x={_span(place.x)}"


def lost_blocks(c: ChannelReport) -> str | None:
    """The sentence on blocks whose error is more than noise, if there are enough of them."""
    p = c.places
    if p is None or not serious_blocks(p):
        return None
    where = "; ".join(f"{block_name(w)} ({w.times_noise:.1f} ×)" for w in p.worst)
    share = 100 * p.failed / p.blocks
    unless = (
        "the error is more than noise explains"
        if p.noise_known
        else "the error exceeds 0.1 % of the range and follows structure (the noise of the "
        "original could not be estimated)"
    )
    text = (
        f"structure was lost in {p.failed:,} of {p.blocks:,} blocks of 32 × 32 pixels "
        f"({share:.2g} %), where {unless}; worst (error in units of noise): {where}."
    )
    if p.slices:
        named = ", ".join(
            f"{_bare(s.index)} ({s.failed} of {s.blocks}, its neighbours {s.around:.0f})"
            for s in p.slices
        )
        text += f" Slices that stand out from their neighbours: {named}."
    return text


def serious_blocks(p: ChannelPlaces) -> bool:
    """Whether blocks that fail are to be warned of."""
    plain = bool(p.worst) and p.worst[0].times_noise >= PLAIN
    return p.failed > FAILED_SHARE * p.blocks or plain


def serious_spots(s: SpotLoss) -> bool:
    """Whether lost or new spots are to be warned of."""
    many = s.changed >= max(FEW_SPOTS, RARE * s.original)
    return many or s.changed > SPOT_SHARE * max(1, s.original)


def lost_spots(c: ChannelReport) -> Iterator[tuple[str, int, str]]:
    """(kind, how many, sentence) on spots and holes that are lost or new."""
    size = c.range[1] - c.range[0]
    if c.places is None or size <= 0:
        return
    for s in c.places.spots:
        if not s.changed or not serious_spots(s):
            continue
        lost = s.kind.startswith("lost")
        what = f"{s.changed:,} of {s.original:,}" if lost else f"{s.changed:,}"
        how = "less than half as high as they were" if lost else "twice as high as before"
        heights = f"{percent_of(s.height, size):.3g} % of the range on average"
        most = ", ".join(_slice(x, lost) for x in s.slices if not x.stands_out)
        out = ", ".join(_slice(x, lost) for x in s.slices if x.stands_out)
        stated = [f"standing out from its neighbours: {out}"] if out else []
        stated += [f"{'else ' if out else ''}most in {most}"] if most and s.slices[0].index else []
        where = "".join(f"; {words}" for words in stated)
        text = (
            f"{_WORDS[s.kind]}: {what} are {how} by more than noise explains, "
            f"{heights}, up to {percent_of(s.highest, size):.3g} % "
            f"({_bare(s.where or {})}){where}."
        )
        yield s.kind, s.changed, text


def _slice(s: SpotSlice, lost: bool) -> str:
    many = f"{s.changed} of {s.original}" if lost else f"{s.changed}"
    near = f", neighbours {s.around:.0f}" if s.stands_out and s.around is not None else ""
    return f"{_bare(s.index)} ({many}{near})"


def dropped(p: Profile) -> bool:
    """Whether `drops` names something along this axis."""
    return bool(p.drops(DROP_DB))


def drops(e: Evaluation) -> Iterator[str]:
    """Sentences on slices and time points that lie below their neighbours."""
    many = len(e.channels) > 1
    for p in e.profiles:
        places = e.channels[p.channel].places
        if places is not None and places.like_noise:
            continue
        found = p.drops(DROP_DB)
        if not found:
            continue
        named = ", ".join(
            f"{p.axis}={i} ({p.psnr[i]:.1f} dB, {d:.1f} dB less)" for i, d in found[:3]
        )
        rest = f" and {len(found) - 3} more" if len(found) > 3 else ""
        kind = {"z": "Slices", "t": "Time points"}.get(p.axis, f"Indices of {p.axis.upper()}")
        start = f"Channel {e.channels[p.channel].name}: {kind.lower()}" if many else kind
        yield f"{start} worse than their neighbours: {named}{rest}."


def noise_words(c: ChannelReport) -> str:
    """What the tests of the residual say of what was removed, for "may be noise"."""
    p = c.places
    if p is None:
        return ""
    if not p.noise_known:
        return (
            " Whether this is noise or detail cannot be told: the noise of the original could not "
            "be estimated."
        )
    failing = serious_blocks(p) or any(serious_spots(s) for s in p.spots)
    if not failing:
        return (
            " What was removed passes for noise everywhere (strength, spectrum, no relation to the "
            "image, no spot missing), so this may be noise rather than detail."
        )
    blocks = p.failed / p.blocks
    spots = [_bare(x.index) for s in p.spots if serious_spots(s) for x in s.slices[:1] if x.index]
    places = spots[:1] + [block_name(w) for w in p.worst[:2]]
    where = "; ".join(places)
    if blocks > 0.5:
        return (
            " Most of this is not noise: the error is more than that in "
            f"{100 * blocks:.0f} % of the blocks."
        )
    return (
        " Most of it may be noise, but not everywhere: what was removed is more than noise at "
        f"{where}."
    )


def _index(index: dict[str, int]) -> str:
    return "".join(f"{a}={i}, " for a, i in index.items())


def _bare(index: dict[str, int]) -> str:
    return ", ".join(f"{a}={i}" for a, i in index.items()) or "the only slice"


def _span(edges: tuple[int, int]) -> str:
    return f"{edges[0]}…{edges[1]}"
