"""From records to numbers: curves, the best codec of each image, BD-rates, and who meets what.

Everything here follows from the committed JSON, so that every table and figure draws on the same
sets of points and images. A cell that missed its target is a point of a curve and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from inif_bench.bdrate import BdRate, Crossing, bd_rate, crossing
from inif_bench.store import Record

HEVC = "hevc"
BEST = "best-codec"
ANCHORS = (HEVC, BEST)
CROSSING_RATIO = 128.0
KINDS = ("stack", "multi", "plane")
ALL = "all"
KIND_NAMES = {
    "stack": "single-channel stacks",
    "multi": "series or multi-channel stacks",
    "plane": "planes",
    ALL: "all",
}

_ORDER = (
    *("hevc", "hevc-veryslow", "av1", "av1-slow"),
    *("jpegxl", "avif", "jpeg2000", "htj2k", "sperr", "zfp", "sz3"),
    *("hevc-as-published", "siren-as-published", "inif-as-published"),
    *("inif", "inif-best", "inif-siren"),
)
_FAMILIES = ("codec", "published", "inif", "lossless")
_MOST = 0.75


@dataclass(frozen=True)
class Point:
    """One scored file: its target ratio, what came out, whether that met the target, and whose."""

    target: float
    file_bytes: int
    psnr: float
    met: bool
    arm: str


@dataclass(frozen=True)
class Curve:
    """The points of an arm on an image, by ascending target ratio."""

    image: str
    arm: str
    points: tuple[Point, ...]

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """(bytes, PSNR in dB), as `bdrate` takes them."""
        return [(p.file_bytes, p.psnr) for p in self.points]


@dataclass(frozen=True)
class Gain:
    """BD-rate of an arm on an image; `reason` says why where there is none."""

    image: str
    kind: str
    arm: str
    anchor: str
    bd: BdRate | None
    reason: str | None


@dataclass(frozen=True)
class MeanGain:
    """BD-rate of an arm over the images of a kind.

    Attributes
    ----------
    percent
        Mean of log2(bytes / reference bytes) over the images, as a percentage; so +100 % and
        −50 % cancel out.
    images, of
        Images with a number, out of this many of the kind that the arm was run on.
    lowest, highest
        The extremes over the images, in percent.
    overlap
        The smallest overlap among the images.
    """

    arm: str
    anchor: str
    kind: str
    percent: float
    images: int
    of: int
    lowest: float
    highest: float
    overlap: float


@dataclass(frozen=True)
class Crossed:
    """The ratio at which an arm reaches HEVC's PSNR at 128×."""

    image: str
    arm: str
    psnr: float
    crossing: Crossing


@dataclass(frozen=True)
class Comparison:
    """All comparisons of a set of records."""

    curves: tuple[Curve, ...]
    gains: tuple[Gain, ...]
    means: tuple[MeanGain, ...]
    crossings: tuple[Crossed, ...]

    def gain(self, image: str, arm: str, anchor: str) -> Gain | None:
        """The BD-rate of an arm on an image, or None where it was not run."""
        wanted = (image, arm, anchor)
        return next((g for g in self.gains if (g.image, g.arm, g.anchor) == wanted), None)

    def mean(self, arm: str, anchor: str, kind: str = ALL) -> MeanGain | None:
        """The mean BD-rate of an arm, or None where no image has one."""
        wanted = (arm, anchor, kind)
        return next((m for m in self.means if (m.arm, m.anchor, m.kind) == wanted), None)

    def curve(self, image: str, arm: str) -> Curve | None:
        """The curve of an arm on an image."""
        return next((c for c in self.curves if (c.image, c.arm) == (image, arm)), None)


def compare(records: Sequence[Record]) -> Comparison:
    """Curves, BD-rates against `ANCHORS`, their means by kind of image, and crossings."""
    curves: list[Curve] = []
    gains: list[Gain] = []
    crossings: list[Crossed] = []
    arms = [r.arm["name"] for r in arms_of(records)]
    for image in images_of(records):
        name, kind = image["name"], kind_of(image)
        mine = {r.arm["name"]: r for r in records if r.image["name"] == name}
        here = [curve_of(mine[arm]) for arm in arms if arm in mine]
        here = [c for c in here if mine[c.arm].arm["family"] != "lossless"]
        here.append(best_codec(list(mine.values()), image))
        known = {c.arm: c for c in here if c.points}
        gains += [_gain(known.get(a), c, kind, a) for c in here for a in ANCHORS if c.arm != a]
        hevc = known.get(HEVC)
        goal = (
            next((p for p in hevc.points if p.met and p.target == CROSSING_RATIO), None)
            if (hevc)
            else None
        )
        if goal is not None:
            for c in known.values():
                found = crossing(c.pairs, goal.psnr, image["raw_bytes"])
                assert found is not None
                crossings.append(Crossed(name, c.arm, goal.psnr, found))
        curves += known.values()
    return Comparison(tuple(curves), tuple(gains), tuple(_means(gains)), tuple(crossings))


def curve_of(record: Record) -> Curve:
    """Every scored file of a record with a finite PSNR, whether or not it met its target."""
    arm = record.arm["name"]
    points = tuple(
        Point(ratio, cell["file_bytes"], cell["psnr"], cell["status"] == "done", arm)
        for ratio, cell in record.scored().items()
        if cell["psnr"] is not None
    )
    return Curve(record.image["name"], arm, points)


def best_codec(records: Iterable[Record], image: dict[str, Any]) -> Curve:
    """The best of the codecs on an image, ratio by ratio; each point names the codec that won.

    HEVC and AV1, for a plane also AVIF and JPEG XL. Where none of them met the target, the point is
    the smallest file that any of them wrote.
    """
    rivals = {HEVC, "av1"} | ({"avif", "jpegxl"} if kind_of(image) == "plane" else set())
    mine = [r for r in records if r.image["name"] == image["name"] and r.arm["name"] in rivals]
    by_target: dict[float, list[Point]] = {}
    for record in mine:
        for point in curve_of(record).points:
            by_target.setdefault(point.target, []).append(point)
    points = []
    for _, candidates in sorted(by_target.items()):
        met = [p for p in candidates if p.met]
        points.append(
            max(met, key=lambda p: p.psnr) if met else min(candidates, key=lambda p: p.file_bytes)
        )
    return Curve(image["name"], BEST, tuple(points))


def kind_of(image: dict[str, Any]) -> str:
    """The kind of an image: "plane" (no Z, no T), "stack" (Z, one channel, no T) or "multi"."""
    axes, shape = image["axes"], image["shape"]
    channels = shape[axes.index("C")] if "C" in axes else 1
    if "Z" not in axes and "T" not in axes:
        return "plane"
    return "multi" if "T" in axes or channels > 1 else "stack"


def images_of(records: Iterable[Record]) -> list[dict[str, Any]]:
    """The images of some records, by kind and name."""
    images = {r.image["name"]: r.image for r in records}
    return sorted(images.values(), key=lambda i: (KINDS.index(kind_of(i)), i["name"]))


def arms_of(records: Iterable[Record]) -> list[Record]:
    """One record per arm, in the order of tables: codecs, as published, inif, lossless."""
    first: dict[str, Record] = {}
    for record in records:
        first.setdefault(record.arm["name"], record)
    return sorted(first.values(), key=_place)


def ratios_of(records: Iterable[Record]) -> list[float]:
    """Every target ratio of the lossy arms, ascending."""
    return sorted({float(k) for r in records if r.arm["family"] != "lossless" for k in r.cells})


def common_ratios(records: Sequence[Record]) -> list[float]:
    """The target ratios that were tried on every image; all of them where there is none such."""
    grids = [
        set(ratios_of(r for r in records if r.image["name"] == image["name"]))
        for image in images_of(records)
    ]
    return (
        sorted(set.intersection(*grids))
        if grids and set.intersection(*grids)
        else (ratios_of(records))
    )


@dataclass(frozen=True)
class Shared:
    """Which arms can be averaged at a ratio, and over which images.

    Attributes
    ----------
    arms
        Those that met the target on at least three quarters of the images.
    images
        Those on which every one of these arms met it.
    met
        Arm → number of images on which it met the target, for all arms.
    """

    arms: tuple[str, ...]
    images: tuple[str, ...]
    met: dict[str, int]


def shared_at(records: Sequence[Record], ratio: float) -> Shared:
    """Arms and images for a mean at a ratio.

    An arm that meets a ratio on few images would leave next to none for the others, so it is left
    out of the mean, and the table says so.
    """
    total = len(images_of(records))
    met: dict[str, set[str]] = {}
    for record in records:
        if record.arm["family"] == "lossless":
            continue
        images = met.setdefault(record.arm["name"], set())
        cell = record.met().get(ratio)
        if cell is not None and cell["psnr"] is not None:
            images.add(record.image["name"])
    arms = [a for a, images in met.items() if total and len(images) >= _MOST * total]
    sets = [met[a] for a in arms]
    images = set.intersection(*sets) if sets else set()
    counts = {a: len(found) for a, found in met.items()}
    return Shared(tuple(sorted(arms)), tuple(sorted(images)), counts)


def _place(record: Record) -> tuple[int, int, str]:
    name = record.arm["name"]
    known = _ORDER.index(name) if name in _ORDER else len(_ORDER)
    return _FAMILIES.index(record.arm["family"]), known, name


def _gain(anchor: Curve | None, curve: Curve, kind: str, name: str) -> Gain:
    found = bd_rate(anchor.pairs, curve.pairs) if anchor else f"{name} has no points"
    bd, reason = (None, found) if isinstance(found, str) else (found, None)
    return Gain(curve.image, kind, curve.arm, name, bd, reason)


def _means(gains: Sequence[Gain]) -> Iterable[MeanGain]:
    for arm, anchor in dict.fromkeys((g.arm, g.anchor) for g in gains):
        for kind in (*KINDS, ALL):
            these = [
                g for g in gains if (g.arm, g.anchor) == (arm, anchor) and kind in (g.kind, ALL)
            ]
            found = [g.bd for g in these if g.bd]
            if found:
                log = math.fsum(bd.log2_ratio for bd in found) / len(found)
                percents = [bd.percent for bd in found]
                yield MeanGain(
                    arm,
                    anchor,
                    kind,
                    100 * (2**log - 1),
                    len(found),
                    len(these),
                    min(percents),
                    max(percents),
                    min(bd.overlap for bd in found),
                )
