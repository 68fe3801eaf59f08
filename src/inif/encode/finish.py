"""From fitted weights to the file: quantise, check the decode, land exactly inside the budget."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from inif.bricks import BrickGrid
from inif.coding import qweights
from inif.config import ProgressEvent, Window
from inif.container.padding import padded
from inif.container.reader import open_container
from inif.container.writer import Section, assemble
from inif.decode.brick import BrickDecoder
from inif.decode.check import check_of
from inif.encode import step_sizes
from inif.encode.budget import StepControl, quantize_all
from inif.encode.job import Job
from inif.encode.plan import LAYERS, SLACK, FieldPlan, header_bytes, too_small
from inif.encode.tally import Tally
from inif.errors import BudgetError
from inif.fields.siren import Siren

if TYPE_CHECKING:
    from inif.encode.fit import FitResult


def finish(
    job: Job,
    plan: FieldPlan,
    result: FitResult,
    control: StepControl,
    header: dict[str, Any],
    extra: list[Section],
    window: Window,
) -> bytes:
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
        sections, facts = _decode_all(job, plan, quantized, header)
        data = with_record(header, [*extra, *sections], facts, window)
        if len(data) <= window.most:
            return data
        room -= len(data) - window.most
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
) -> bytes:
    """Every channel has one value, which its range states: a network of zeros is exact."""
    axes, shape = job.image.axes, job.image.data.shape
    field = Siren.for_image(axes, shape, channels="outputs", width=1, layers=LAYERS)
    plan = FieldPlan(BrickGrid(shape, shape), field, 0)
    header |= {"field": field.to_json()}
    zeros = [np.zeros((1, *shape), np.float32) for shape in field.group_shapes]
    exps = np.zeros((1, len(zeros)), np.int64)
    nothing = quantize_all(zeros, exps, 1.0)
    sections, facts = _decode_all(job, plan, nothing, header)
    header["lossy"] |= {"steps": 0}
    header["lossy"].pop("stopped", None)
    data = with_record(header, [*extra, *sections], facts, window)
    if len(data) > window.most:
        raise too_small(job.image, window.most, len(data))
    return data


def with_record(
    header: dict[str, Any], sections: list[Section], facts: dict[str, Any], window: Window
) -> bytes:
    """The file with the record of its errors, padded up to the window unless it is exact."""
    psnr = facts["psnr"]
    header["lossy"] |= facts | {"psnr": psnr and round(psnr, 3)}
    packed = assemble(header, sections) if psnr is None else padded(header, sections, window)
    return packed.to_bytes()


def recorded_psnr(data: bytes) -> float:
    """The PSNR in dB that a file states, of its worst channel if it does; infinite if exact."""
    with open_container(data) as container:
        lossy = container.header["lossy"]
    value = lossy.get("psnr_least", lossy["psnr"])
    return math.inf if value is None else float(value)


def _decode_all(
    job: Job,
    plan: FieldPlan,
    quantized: list[qweights.QuantizedWeights],
    header: dict[str, Any],
) -> tuple[list[Section], dict[str, Any]]:
    """Decode as every reader will; sections with their checks, and the errors for the record."""
    image, intensities = job.image, job.intensities
    c = image.channel_axis
    tally = Tally(image, intensities)
    sections = []
    for b, weights in enumerate(quantized):
        start = plan.grid.channels(b, c).start
        extent = plan.grid.extent(b)
        decoder = BrickDecoder(
            plan.field, weights.weights(), image.axes, extent, start, intensities, plan.as_outputs
        )
        samples = decoder.grid([np.arange(n) for n in extent])
        tally.add(samples, plan.grid, b)
        check = check_of(samples, header, b, [*decoder.inputs(), job.outlier_section])
        sections.append(Section(qweights.KIND, qweights.pack(weights, check), b))
    return sections, tally.facts(each=job.asks_quality)
