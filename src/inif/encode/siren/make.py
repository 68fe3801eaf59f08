"""The job of a pure field: an image and a budget in, a whole file out.

plan → (trial of the channels' treatment) → fit → step sizes for the budget → sections → check.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from inif.coding import qweights
from inif.config import FitSettings, Window
from inif.container.writer import Packed
from inif.encode.job import Job, draft_header, extra_sections, guides_record
from inif.encode.siren.budget import StepControl
from inif.encode.siren.device import keep_programs
from inif.encode.siren.finish import constant, finish
from inif.encode.siren.fit import Fitter
from inif.encode.siren.plan import SLACK, FieldPlan, header_bytes, make_plan
from inif.encode.siren.samples import gathered
from inif.encode.siren.sampling import Sampler
from inif.errors import BudgetError
from inif.fields import siren
from inif.guidance.guide import Guidance, box_sides
from inif.optim import optimizers

_TRIAL_BRICKS = 24
_STEP_POINTS = 32768  # at least, over all bricks: small images can afford steps of less noise
_VISITS = 4 / 250  # of each position and step: four visits of the whole image at effort 1


def encode_siren(job: Job, window: Window) -> Packed:
    """The file, as many bytes as the window allows.

    A file may be smaller only where it reproduces the image exactly.

    Raises
    ------
    BudgetError
        The budget cannot be met.
    KeyboardInterrupt
        Ctrl-C, unless the settings keep partial results.
    """
    budget = window.most
    job = replace(job, settings=_within_time(job, budget))
    header = draft_header(job, budget) | {
        "field": {"kind": "siren", "width": 123, "layers": 7},
        "requires": [siren.FEATURE, qweights.FEATURE],
    }
    header["lossy"] |= {
        "optimizer": optimizers.parse(job.settings.optimizer).name,
        "steps": job.settings.steps,
    }
    if job.guides:
        header["lossy"] |= {"guides": guides_record(job.guides)}
    extra = extra_sections(job, budget)
    overhead = header_bytes(header, extra) + SLACK
    if not job.varied:
        return constant(job, header, extra, window)
    keep_programs()
    samples = gathered(job)
    plan = _choose_channels(job, samples, budget, overhead)
    header |= {"field": plan.field.to_json()}
    if len(plan.grid) > 1:
        header |= {"brick": list(plan.grid.brick)}
    overhead = header_bytes(header, extra) + SLACK
    plan = replace(plan, payload=budget - overhead)
    control = StepControl(plan.payload, plan.grid.voxels)
    guidance, used = _guidance(job, plan)
    if used != job.guides:  # the unguided file, byte for byte: its header says nothing of guides
        return encode_siren(replace(job, guides=used), window)
    fitter = _fitter(job, samples, plan, job.settings, guidance=guidance)
    result = fitter.run(control, job.report, interrupt=job.interrupt)
    return finish(job, plan, result, control, header, extra, window)


def _choose_channels(job: Job, samples: np.ndarray, budget: int, overhead: int) -> FieldPlan:
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
    refused: BudgetError | None = None
    for mode in ("outputs", "coordinate"):
        try:
            plan = make_plan(image, budget, job.settings, overhead, channels=mode)
        except BudgetError as error:
            refused = refused or error
            continue
        fitter = _fitter(job, samples, plan, settings, _TRIAL_BRICKS)
        result = fitter.run(None, job.report, stage=f"trial {mode}", interrupt=job.interrupt)
        trials.append((result.psnr, plan))
    if refused and not trials:
        raise refused
    return max(trials, key=lambda t: t[0])[1]


def _fitter(
    job: Job,
    samples: np.ndarray,
    plan: FieldPlan,
    settings: FitSettings,
    most_bricks: int | None = None,
    guidance: Guidance | None = None,
) -> Fitter:
    """A fitter of all bricks, or of at most some, evenly spread."""
    count = len(plan.grid)
    some = np.linspace(0, count - 1, min(count, most_bricks or count)).astype(int)
    sampler = Sampler(
        samples,
        job.image.axes,
        plan.grid,
        job.intensities,
        plan.as_outputs,
        tuple(int(b) for b in some),
    )
    positions = float(plan.grid.voxels.mean()) / sampler.outputs
    wanted = min(_VISITS * positions, settings.points)
    wanted = max(wanted, min(_STEP_POINTS / count, 2 * settings.points))
    points = 1 << max(7, int(wanted).bit_length() - 1)
    return Fitter(plan.field, sampler, replace(settings, points=points), guidance)


def _guidance(job: Job, plan: FieldPlan) -> tuple[Guidance | None, tuple[str, ...]]:
    """What guides the fit, and by which names; a warning for each guide that has nothing to say."""
    if not job.guides:
        return None, ()
    from inif.guidance.guides import usable

    extents = np.array([plan.grid.extent(b) for b in range(len(plan.grid))])
    sides = box_sides(job.image.axes, extents)
    return usable(job.guides, job.image, np.array(job.ranges, np.float64), sides)


def _within_time(job: Job, budget: int) -> FitSettings:
    """Leave a share of a time limit for coding and checking."""
    limit = job.settings.time_limit
    if limit is None:
        return job.settings
    weights = budget * 8 / job.settings.bits_per_weight
    decode = 3e-11 * math.prod(job.image.shape) * min(weights, 10_000) + 1.0
    return replace(job.settings, time_limit=max(limit - decode, limit / 3))
