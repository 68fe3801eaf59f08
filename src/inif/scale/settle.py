"""What is settled before the first shard: ranges of channels, and steps, by sampled chunks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from inif.errors import BudgetError, InputError
from inif.scale.engines import Call
from inif.scale.lazy import narrowed
from inif.scale.plan import Tree
from inif.scale.rate import LOOKED, Grid, Model, Sample, sampled, settled_quality, settled_rate
from inif.scale.request import Request, is_lossy
from inif.scale.shard import look_at_chunk, try_chunk
from inif.scale.tasks import Array, Try, Way

Many = Callable[[str, Call, Sequence[Any]], list[Any]]
"""Does calls on a sequence of tasks, and gives their results in its order; named by their stage."""

_FLOAT, _INTEGER = 22.0, 2.0
"""Octaves of the finest step below the range, and below one count."""

_HEADERS = 60
"""Bytes of a chunk that no step makes smaller, about."""


@dataclass(frozen=True)
class Settled:
    """What shards are coded by.

    Attributes
    ----------
    ranges
        Of each channel, the lowest and the highest sample that was seen.
    steps
        Of each channel, in counts; none where errors are bounded.
    model
        What trials say; None where nothing was tried.
    """

    ranges: tuple[tuple[float, float], ...]
    steps: tuple[float, ...] = ()
    model: Model | None = None

    def to_json(self) -> dict[str, Any]:
        """For the manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Settled:
        """The inverse of `to_json`."""
        model = body["model"]
        if model is not None:
            lists = {name: tuple(model[name]) for name in ("knobs", "errors")}
            model = Model(**(model | lists))
        return cls(tuple((a, b) for a, b in body["ranges"]), tuple(body["steps"]), model)


def channels_of(tree: Tree, request: Request) -> tuple[list[tuple[int, ...]], list[str]]:
    """For each array the numbers of its channels among all that may lose detail, and their names.

    Arrays of one sample type share their channels: the second channel of every well is one.
    """
    numbers: dict[tuple[str, int], int] = {}
    found: list[tuple[int, ...]] = []
    for plan in tree.arrays:
        own: tuple[int, ...] = ()
        if is_lossy(plan, request):
            count = plan.shape[plan.axes.index("C")] if "C" in plan.axes else 1
            keys = [(plan.dtype.name, c) for c in range(count)]
            own = tuple(numbers.setdefault(key, len(numbers)) for key in keys)
        found.append(own)
    return found, [f"{name} {c}" for name, c in numbers]


def settle(
    tree: Tree,
    arrays: Sequence[Array],
    channels: Sequence[tuple[int, ...]],
    request: Request,
    payload: float | None,
    many: Many,
) -> Settled:
    """Ranges and steps.

    Parameters
    ----------
    payload
        Bytes that the chunks of all images may take; None where there is no such goal.
    many
        Does the trials.

    Raises
    ------
    BudgetError
        Even the coarsest steps take more, or even the finest are not good enough.
    """
    target = request.target
    assert target is not None
    grids = [
        Grid(
            n,
            arrays[n].grid(arrays[n].chunks),
            math.prod(arrays[n].chunks),
            own,
            plan.axes.find("C"),
        )
        for n, (plan, own) in enumerate(zip(tree.arrays, channels, strict=True))
        if own and (target.psnr is None or plan.level == 0)
    ]
    samples = sampled(grids)
    count = 1 + max(c for own in channels for c in own)
    seen = (
        samples
        if target.psnr is None and target.max_error_share is None
        else sampled(grids, LOOKED)
    )
    looks = many("read", look_at_chunk, [_try(arrays, s, Way()) for s in seen])
    ranges = _ranges(seen, looks, count)
    if target.bounded:
        return Settled(ranges)
    spans = [high - low or 1.0 for low, high in ranges]
    integers = all(arrays[g.array].dtype.kind in "ui" for g in grids)
    finest = max(math.log2(max(spans)) + _INTEGER, 1.0) if integers else _FLOAT

    def trial(knobs: tuple[float, ...], few: int | None) -> tuple[float, tuple[float, ...]]:
        """Bytes for each voxel, and mean squared errors."""
        some = samples[:few]
        steps = steps_of(spans, knobs)
        tasks = [
            _try(arrays, one, Way(_own(steps, channels[one.array]), effort=request.effort))
            for one in some
        ]
        size = weight = 0.0
        errors, of = [0.0] * count, [0.0] * count
        for one, task, (took, squares) in zip(
            some, tasks, many("trial", try_chunk, tasks), strict=True
        ):
            region = task.array.region(task.place, task.array.chunks)
            own_voxels = math.prod(s.stop - s.start for s in region)
            size += one.weight * took / own_voxels
            weight += one.weight
            for c, square in zip(one.channels, squares, strict=True):
                each = one.weight / len(one.channels)
                errors[c] += each * square * len(one.channels) / own_voxels
                of[c] += each
        return size / weight, tuple(e / n if n else 0.0 for e, n in zip(errors, of, strict=True))

    if target.psnr is not None:
        model = settled_quality(trial, spans, target.psnr, len(samples), finest)
    else:
        assert payload is not None
        rate = payload / sum(math.prod(arrays[g.array].shape) for g in grids)
        model = settled_rate(trial, max(rate, 1e-9), count, len(samples), finest)
    if not model.reached:
        _refuse(model, target.psnr, payload)
    return Settled(ranges, steps_of(spans, model.knobs), model)


def steps_of(spans: Sequence[float], knobs: Sequence[float]) -> tuple[float, ...]:
    """Steps in counts, to five digits, of knobs below ranges."""
    return tuple(float(f"{s * 2.0**-k:.5g}") for s, k in zip(spans, knobs, strict=True))


def _own(steps: Sequence[float], channels: Sequence[int]) -> tuple[float, ...]:
    return tuple(steps[c] for c in channels)


def _try(arrays: Sequence[Array], sample: Sample, way: Way) -> Try:
    array = arrays[sample.array]
    source = narrowed(array.source, array.region(sample.place, array.chunks))
    return Try(replace(array, source=source), sample.place, way)


def _ranges(
    samples: Sequence[Sample], looks: Sequence[Sequence[tuple[float, float]]], count: int
) -> tuple[tuple[float, float], ...]:
    """Of each channel; where all samples seen are one value, as wide as the widest of others."""
    low, high = [math.inf] * count, [-math.inf] * count
    for sample, seen in zip(samples, looks, strict=True):
        for c, (least, most) in zip(sample.channels, seen, strict=True):
            low[c], high[c] = min(low[c], least), max(high[c], most)
    widest = max(b - a for a, b in zip(low, high, strict=True))
    return tuple((a, b if b > a else a + widest) for a, b in zip(low, high, strict=True))


def _refuse(model: Model, psnr: float | None, payload: float | None) -> None:
    """Say what cannot be had; too few bytes to fill the goal are no fault."""
    if psnr is not None:
        raise BudgetError(
            "this quality cannot be had by a latent field",
            field="psnr",
            got=psnr,
            fix="ask for a bound of the error, or keep the samples with --lossless",
        )
    if model.knobs[0] <= 0:
        raise BudgetError(
            "the store cannot be as small as that: even the coarsest steps take more",
            field="ratio, size",
            expected=f"at least {model.rate:.3g} bytes for each sample",
            fix="ask for a smaller ratio, or for larger chunks",
        )


def bound_of(request: Request, ranges: Sequence[tuple[float, float]], own: Sequence[int]) -> float:
    """By how much samples of an array may be off, by the narrowest range of its channels.

    Raises
    ------
    InputError
        All that is known of them is one value.
    """
    target = request.target
    assert target is not None
    if target.max_error is not None:
        return target.max_error
    assert target.max_error_share is not None
    span = min(ranges[c][1] - ranges[c][0] for c in own)
    if not span:
        raise InputError("all samples that were looked at are the same", field="max_error")
    return target.max_error_share * span
