"""From fitted weights to the file: quantise, check the decode, land exactly inside the budget."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from inif.bricks import BrickGrid
from inif.coding import qweights
from inif.config import ProgressEvent, Window
from inif.container.writer import Packed, Section
from inif.decode.brick import BrickDecoder
from inif.decode.check import check_of
from inif.encode.job import Job
from inif.encode.record import errors_of, facts, totals, with_record
from inif.encode.siren import step_sizes
from inif.encode.siren.budget import StepControl, quantize_all
from inif.encode.siren.plan import LAYERS, SLACK, FieldPlan, header_bytes, too_small
from inif.errors import BudgetError
from inif.fields.siren import Siren

if TYPE_CHECKING:
    from inif.encode.siren.fit import FitResult


def finish(
    job: Job,
    plan: FieldPlan,
    result: FitResult,
    control: StepControl,
    header: dict[str, Any],
    extra: list[Section],
    window: Window,
) -> Packed:
    """Quantise, check the decode, write the header, and land inside the window.

    Raises
    ------
    BudgetError
        The weights do not fit.
    """
    if control.exponents is None:
        control.exponents = step_sizes.exponents(result.sensitivity, control.voxels)
    header["lossy"]["steps"] = result.steps
    header["lossy"].pop("stopped", None)
    if result.stopped != "steps":
        header["lossy"]["stopped"] = result.stopped
    overhead = header_bytes(header, extra, len(plan.grid))
    room = window.most - overhead - SLACK // 2
    begun = time.monotonic()
    for _ in range(4):
        try:
            quantized, _size = control.land(result.groups, room)
        except ValueError:
            break
        seconds = time.monotonic() - begun
        job.report(ProgressEvent("check", 0, 1, result.psnr, seconds, None))
        sections, found = _decode_all(job, plan, quantized, header)
        data = with_record(header, [*extra, *sections], found, window)
        if data.size <= window.most:
            return data
        room -= data.size - window.most
    raise BudgetError(
        "the weights do not fit the budget",
        file=job.image.source,
        field="target",
        got=f"{window.most} bytes",
        fix="ask for a smaller ratio",
    )


def constant(
    job: Job,
    header: dict[str, Any],
    extra: list[Section],
    window: Window,
) -> Packed:
    """Every channel has one value, which its range states: a network of zeros is exact."""
    axes, shape = job.image.axes, job.image.shape
    field = Siren.for_image(axes, shape, channels="outputs", width=1, layers=LAYERS)
    plan = FieldPlan(BrickGrid(shape, shape), field, 0)
    header |= {"field": field.to_json()}
    zeros = [np.zeros((1, *shape), np.float32) for shape in field.group_shapes]
    exps = np.zeros((1, len(zeros)), np.int64)
    nothing = quantize_all(zeros, exps, 1.0)
    sections, found = _decode_all(job, plan, nothing, header)
    header["lossy"] |= {"steps": 0}
    header["lossy"].pop("stopped", None)
    data = with_record(header, [*extra, *sections], found, window)
    if data.size > window.most:
        raise too_small(job.image, window.most, data.size)
    return data


def _decode_all(
    job: Job,
    plan: FieldPlan,
    quantized: list[qweights.QuantizedWeights],
    header: dict[str, Any],
) -> tuple[list[Section], dict[str, Any]]:
    """Decode as every reader will; sections with their checks, and the errors for the record."""
    axes, intensities, c = job.image.axes, job.intensities, job.image.channel_axis
    errors, sections = [], []
    for b, weights in enumerate(quantized):
        channels, extent = plan.grid.channels(b, c), plan.grid.extent(b)
        decoder = BrickDecoder(
            plan.field,
            weights.weights(),
            axes,
            extent,
            channels.start,
            intensities,
            plan.as_outputs,
        )
        samples = decoder.grid([np.arange(n) for n in extent])
        errors.append(errors_of(samples, job.coded.read(plan.grid.slices(b)), channels, job))
        check = check_of(samples, header, b, [*decoder.inputs(), job.outlier_section])
        sections.append(job.keep(qweights.KIND, qweights.pack(weights, check), b))
    return sections, facts(job, totals(job, plan.grid, errors))
