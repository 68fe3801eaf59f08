"""The main job: an image and a target in, a whole file out.

plan → (trial of the channels' treatment) → fit → step sizes for the budget → sections → check.
Nothing touches the disk before the bytes are complete and have been opened by the reader.
"""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from inif._version import __version__
from inif.bricks import BrickGrid
from inif.coding import qweights
from inif.config import FitSettings, ProgressEvent, Target
from inif.container.validate import clean_text
from inif.container.writer import Section, pack
from inif.decode.brick import BrickDecoder, Intensities
from inif.decode.check import check_of, little_endian
from inif.decode.file import MAX_OME_BYTES
from inif.encode import rate
from inif.encode.budget import WINDOW, RateControl, quantize_all
from inif.encode.fit import FitResult, Fitter, psnr_of
from inif.encode.plan import LAYERS, FieldPlan, header_bytes, make_plan, too_small
from inif.encode.sampling import Sampler
from inif.errors import BudgetError
from inif.fields.siren import Siren
from inif.image import Image
from inif.optim import classic

Progress = Callable[[ProgressEvent], None]
_SLACK = 12
_OME_SHARE = 0.01
_TRIAL_BRICKS = 24
_VISITS = 4 / 250  # of each position and step: four visits of the whole image at effort 1


@dataclass(frozen=True)
class Job:
    """One compression: what is asked for, and how.

    Attributes
    ----------
    image
        Checked by `inif.image.check_image`.
    target
        Ratio, size or PSNR.
    settings
        Of the fit.
    method
        "siren".
    effort
        For the record.
    progress
        Called as the work goes on, or None.
    """

    image: Image
    target: Target
    settings: FitSettings
    method: str = "siren"
    effort: int | None = None
    progress: Progress | None = None

    @property
    def ranges(self) -> list[list[float | int]]:
        """Lowest and highest sample of each channel, as the header states them."""
        data, c = self.image.data, self.image.channel_axis
        parts = [data] if c is None else [data.take(i, axis=c) for i in range(data.shape[c])]
        return [[_number(part.min()), _number(part.max())] for part in parts]


def encode(job: Job, budget: int) -> bytes:
    """The file's bytes, at most `budget` of them and at least 99 % of that.

    A file may be smaller only where it reproduces the image exactly.

    Raises
    ------
    BudgetError
        The budget cannot be met.
    KeyboardInterrupt
        Ctrl-C, unless the settings keep partial results.
    """
    header = _draft(job)
    extra = _ome_section(job.image, budget)
    intensities = Intensities(np.array(header["range"], np.float64), job.image.data.dtype)
    overhead = header_bytes(header, [len(s.data) for s in extra]) + _SLACK
    if not np.diff(intensities.ranges, axis=1).any():
        return _constant(job, header, extra, intensities, budget)
    job = replace(job, settings=_within_time(job, budget))
    plan = _choose_channels(job, budget, overhead, intensities)
    header |= {"field": plan.field.to_json()}
    if len(plan.grid) > 1:
        header |= {"brick": list(plan.grid.brick)}
    overhead = header_bytes(header, [len(s.data) for s in extra]) + _SLACK
    plan = replace(plan, payload=budget - overhead)
    control = RateControl(plan.payload, _voxels(plan))
    result = _fitter(job, plan, intensities).run(control, job.progress)
    return _finish(job, plan, result, control, header, extra, intensities, budget)


def encode_quality(job: Job, decibels: float) -> bytes:
    """The smallest file found whose pooled PSNR is at least the target.

    Fits at growing budgets until one reaches the target without rounding, then coarsens its steps.

    Raises
    ------
    BudgetError
        The target is out of reach at this effort; the message names the best.
    """
    raw = job.image.raw_bytes
    best = (-np.inf, 0)
    budget = max(raw // 256, 2048)
    tried: dict[int, tuple[float, bytes]] = {}
    while True:
        budget = min(budget, max(raw // 2, 1024))
        data = encode(job, budget)
        reached = _recorded_psnr(data)
        tried[budget] = reached, data
        best = max(best, (reached, budget))
        if reached >= decibels or budget >= max(raw // 2, 1024):
            break
        budget = int(budget * float(np.clip(2 ** ((decibels - reached) / 1.5), 1.3, 8)))
    good = [b for b, (reached, _) in tried.items() if reached >= decibels]
    if not good:
        raise BudgetError(
            "this quality cannot be reached at this effort",
            file=job.image.source,
            field="psnr",
            expected=f"at most {best[0]:.2f} dB (at {best[1]} bytes)",
            got=f"{decibels} dB",
            fix="raise --effort, or ask for less",
        )
    high, low = min(good), max((b for b in tried if b < min(good)), default=min(good) // 2)
    for _ in range(3):
        if high <= low * 1.05:
            break
        middle = int(np.sqrt(low * high))
        try:
            data = encode(job, middle)
        except BudgetError:
            low = middle
            continue
        tried[middle] = _recorded_psnr(data), data
        if tried[middle][0] >= decibels:
            high = middle
        else:
            low = middle
    return tried[high][1]


def _draft(job: Job) -> dict[str, Any]:
    """The header with stand-ins for what is known only at the end."""
    image = job.image
    meta = image.meta.to_json()
    lossy: dict[str, Any] = {
        "method": job.method,
        "target": job.target.to_json(),
        "psnr": 36.123,
        "max_error": 12345 if image.data.dtype.kind != "f" else 0.1234567,
        "seed": job.settings.seed,
        "encoder": f"inif {__version__}",
        "sha256": _digest(image.data),
        "optimizer": classic.parse(job.settings.optimizer).name,
        "steps": job.settings.steps,
    }
    if job.effort is not None:
        lossy["effort"] = job.effort
    header: dict[str, Any] = {
        "axes": image.axes,
        "shape": list(image.data.shape),
        "dtype": image.data.dtype.name,
        "range": job.ranges,
        "field": {"kind": "siren", "width": 123, "layers": 7},
        "requires": ["siren/1", qweights.FEATURE],
        "lossy": lossy,
    }
    if meta:
        header["meta"] = _clean(meta)
    return header


def _ome_section(image: Image, budget: int) -> list[Section]:
    """The source's OME-XML, whole, where it takes less than 1 % of the budget."""
    if not image.meta.ome_xml:
        return []
    text = image.meta.ome_xml.encode()
    if len(text) > MAX_OME_BYTES:
        return []
    data = zlib.compress(text, 9)
    return [Section(b"OMEX", data)] if len(data) <= _OME_SHARE * budget else []


def _choose_channels(job: Job, budget: int, overhead: int, intensities: Intensities) -> FieldPlan:
    """Channels as outputs or as a coordinate: whichever a short trial finds better."""
    image = job.image
    if image.n_channels < 2:
        return make_plan(image, budget, job.settings, overhead)
    trials: list[tuple[float, FieldPlan]] = []
    steps = max(32, job.settings.steps // 8)
    limit = job.settings.time_limit
    settings = replace(
        job.settings,
        steps=steps,
        check_every=steps,
        time_limit=limit and limit / 10,
        keep_partial=False,
    )
    for mode in ("outputs", "coordinate"):
        try:
            plan = make_plan(image, budget, job.settings, overhead, channels=mode)
        except BudgetError:
            if trials:
                break
            raise
        fitter = _fitter(replace(job, settings=settings), plan, intensities, _TRIAL_BRICKS)
        result = fitter.run(None, job.progress, stage=f"trial {mode}")
        trials.append((result.psnr, plan))
    return max(trials, key=lambda t: t[0])[1]


def _fitter(
    job: Job, plan: FieldPlan, intensities: Intensities, most_bricks: int | None = None
) -> Fitter:
    """A fitter of all bricks, or of at most some, evenly spread."""
    count = len(plan.grid)
    some = np.linspace(0, count - 1, min(count, most_bricks or count)).astype(int)
    sampler = Sampler(
        job.image.data,
        job.image.axes,
        plan.grid,
        intensities,
        plan.as_outputs,
        tuple(int(b) for b in some),
    )
    positions = float(_voxels(plan).mean()) / sampler.outputs
    wanted = max(_VISITS * positions, job.settings.points / count)
    points = 1 << max(7, int(min(job.settings.points, wanted)).bit_length() - 1)
    return Fitter(plan.field, sampler, replace(job.settings, points=points))


def _finish(
    job: Job,
    plan: FieldPlan,
    result: FitResult,
    control: RateControl,
    header: dict[str, Any],
    extra: list[Section],
    intensities: Intensities,
    budget: int,
) -> bytes:
    """Quantise, check the decode, write the header, and land inside the window."""
    if control.exponents is None:
        control.exponents = rate.exponents(result.sensitivity, control.voxels)
    header["lossy"]["steps"] = result.steps
    if result.stopped != "steps":
        header["lossy"]["stopped"] = result.stopped
    entries = 32 * len(plan.grid)
    overhead = header_bytes(header, [len(s.data) for s in extra])
    room = budget - overhead - entries - _SLACK // 2
    begun = time.monotonic()
    for _ in range(4):
        try:
            quantized, _size = control.land(result.groups, room)
        except ValueError:
            raise BudgetError(
                "the weights do not fit the budget",
                file=job.image.source,
                field="target",
                got=f"{budget} bytes",
                fix="ask for a smaller ratio",
            ) from None
        if job.progress:
            seconds = time.monotonic() - begun
            job.progress(ProgressEvent("check", 0, 1, result.psnr, seconds, None))
        sections, facts = _decode_all(job.image, plan, quantized, intensities)
        data = _with_record(header, [*extra, *sections], facts, budget)
        if len(data) > budget:
            room -= len(data) - budget
            continue
        if len(data) * WINDOW >= budget or facts["psnr"] is None:
            return data
        room += min(budget - len(data), _SLACK)
    raise BudgetError(
        "the file cannot be made to fit this budget exactly",
        file=job.image.source,
        field="target",
        expected=f"{int(budget / WINDOW)} … {budget} bytes",
        got=f"{len(data)} bytes",
        fix="ask for a slightly smaller ratio",
    )


def _with_record(
    header: dict[str, Any], sections: list[Section], facts: dict[str, Any], budget: int
) -> bytes:
    """The file, its PSNR given to as many digits as bring it into the window.

    Coded weights come in words of 4 bytes; in a tiny file that is coarser than 1 %.
    """
    best = b""
    for digits in (3, 2, 4, 5, 6, 7, 8, 9):
        psnr = facts["psnr"] and round(facts["psnr"], digits)
        header["lossy"] |= facts | {"psnr": psnr}
        data = pack(header, sections)
        if not best or len(best) > budget or len(best) < len(data) <= budget:
            best = data
        if psnr is None or len(best) <= budget <= len(best) * WINDOW:
            break
    return best


def _constant(
    job: Job,
    header: dict[str, Any],
    extra: list[Section],
    intensities: Intensities,
    budget: int,
) -> bytes:
    """Every channel has one value, which its range states: a network of zeros is exact."""
    axes, shape = job.image.axes, job.image.data.shape
    field = Siren.for_image(axes, shape, channels="outputs", width=1, layers=LAYERS)
    plan = FieldPlan(BrickGrid(shape, shape), field, 0)
    header |= {"field": field.to_json()}
    zeros = [np.zeros((1, *shape), np.float32) for shape in field.group_shapes]
    exps = np.zeros((1, len(zeros)), np.int64)
    sections, facts = _decode_all(job.image, plan, quantize_all(zeros, exps, 1.0), intensities)
    header["lossy"] |= facts | {"steps": 0}
    data = pack(header, [*extra, *sections])
    if len(data) > budget:
        raise too_small(job.image, budget, len(data))
    return data


def _decode_all(
    image: Image,
    plan: FieldPlan,
    quantized: list[qweights.QuantizedWeights],
    intensities: Intensities,
) -> tuple[list[Section], dict[str, Any]]:
    """Decode as every reader will; sections with their checks, and the errors for the record."""
    c = image.channel_axis
    squares = np.zeros(image.n_channels)
    worst = 0.0
    sections = []
    for b, weights in enumerate(quantized):
        start = plan.grid.origin(b)[c] if c is not None else 0
        extent = plan.grid.extent(b)
        decoder = BrickDecoder(
            plan.field, weights.weights(), image.axes, extent, start, intensities, plan.as_outputs
        )
        decoded = decoder.grid([np.arange(n) for n in extent])
        original = image.data[plan.grid.slices(b)]
        check = check_of(decoded, c, start, intensities)
        sections.append(Section(qweights.KIND, qweights.pack(weights, check), b))
        for i in range(extent[c] if c is not None else 1):
            pick = (slice(None),) * (c or 0) + (i,) if c is not None else ()
            got, wanted = decoded[pick], original[pick]
            for g, w in zip(np.atleast_2d(got), np.atleast_2d(wanted), strict=True):
                difference = g.astype(np.float64) - w
                squares[start + i] += float(np.vdot(difference, difference))
                worst = max(worst, float(np.abs(difference).max()))
    span = np.diff(intensities.ranges, axis=1)[:, 0]
    per_channel = image.data.size / image.n_channels
    error = float((squares / np.where(span > 0, span, 1) ** 2).mean() / per_channel)
    facts = {
        "psnr": psnr_of(4 * error) if worst else None,
        "max_error": float(f"{worst:.8g}") if image.data.dtype.kind == "f" else int(worst),
    }
    return sections, facts


def _within_time(job: Job, budget: int) -> FitSettings:
    """Leave a share of a time limit for coding and checking."""
    limit = job.settings.time_limit
    if limit is None:
        return job.settings
    weights = budget * 8 / job.settings.bits_per_weight
    decode = 3e-11 * job.image.data.size * min(weights, 10_000) + 1.0
    return replace(job.settings, time_limit=max(limit - decode, limit / 3))


def _voxels(plan: FieldPlan) -> np.ndarray:
    return np.array([np.prod(plan.grid.extent(b)) for b in range(len(plan.grid))], np.float64)


def _digest(data: np.ndarray) -> str:
    """SHA-256 of the samples, C order, little endian, without a second copy of the image."""
    digest = hashlib.sha256()
    for part in data.reshape(data.shape[0], -1) if data.flags.c_contiguous else data:
        digest.update(little_endian(part))
    return digest.hexdigest()


def _recorded_psnr(data: bytes) -> float:
    from inif.container.reader import open_container

    with open_container(data) as container:
        value = container.header["lossy"]["psnr"]
    return float("inf") if value is None else float(value)


def _number(value: Any) -> float | int:
    """A sample as JSON: floats by the shortest text that gives the same float32."""
    return int(value) if np.issubdtype(type(value), np.integer) else float(str(value))


def _clean(value: Any) -> Any:
    """Metadata without control characters, which the format refuses."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean(v) for v in value]
    if isinstance(value, dict):
        return {clean_text(k): _clean(v) for k, v in value.items()}
    return value
