"""Landing on the byte, and what a budget buys."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from inif.config import FitSettings
from inif.container.spec import ENTRY_SIZE
from inif.encode.siren.budget import StepControl, packed_bytes
from inif.encode.siren.plan import make_plan
from inif.errors import BudgetError
from inif.fields.field import count_weights
from inif.fields.siren import Siren
from inif.image import Image

AIM = 1.01


def groups_of(field: Siren, bricks: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.laplace(0, 0.2, (bricks, *s)).astype(np.float32) for s in field.group_shapes]


@pytest.mark.parametrize("width", [6, 12, 40])
@pytest.mark.parametrize("bricks", [1, 3])
@pytest.mark.parametrize("bits", [2.0, 4.0, 8.0])
def test_it_lands_within_one_percent(width: int, bricks: int, bits: float) -> None:
    field = Siren(3, 1, width)
    groups = groups_of(field, bricks)
    largest = int(bricks * (57 + count_weights(field) * bits / 8))
    payload = largest + bricks * ENTRY_SIZE  # as the plan counts it, with the table's entries
    control = StepControl(payload, np.full(bricks, 1000.0))
    control.steps(groups, np.random.default_rng(1).uniform(0.1, 10, (bricks, len(groups))))
    quantized, size = control.land(groups, largest)
    assert size == packed_bytes(quantized)
    assert largest / AIM <= size <= largest


def test_a_budget_below_the_fixed_bytes() -> None:
    groups = groups_of(Siren(2, 1, 4), 1)
    control = StepControl(60, np.array([100.0]))
    control.exponents = np.zeros((1, len(groups)), np.int64)
    with pytest.raises(ValueError, match="budget"):
        control.land(groups, 40)


@st.composite
def jobs(draw: st.DrawFn) -> tuple[Image, int]:
    axes = draw(st.sampled_from(["X", "YX", "ZYX", "CYX", "TCZYX"]))
    shape = tuple(draw(st.integers(1, 40)) for _ in axes)
    return Image(np.zeros(shape, np.uint16), axes), draw(st.integers(1000, 300_000))


@given(jobs(), st.sampled_from(["outputs", "coordinate"]))
@settings(max_examples=60)
def test_plans_fit_their_budget(job: tuple[Image, int], channels: str) -> None:
    image, budget = job
    settings_ = FitSettings()
    try:
        plan = make_plan(image, budget, settings_, 400, channels=channels)
    except BudgetError:
        assert (channels == "outputs" and "C" in image.axes) or budget < 1000
        return
    assert plan.payload == budget - 400
    assert plan.grid.shape == image.data.shape
    count = len(plan.grid) * count_weights(plan.field)
    assert count * 2 / 8 <= plan.payload
    if plan.as_outputs and "C" in image.axes:
        assert plan.grid.counts[image.axes.index("C")] == 1


def test_too_small_a_budget_names_the_largest_ratio() -> None:
    image = Image(np.zeros((30, 40), np.uint16), "YX", source="a.tif")
    with pytest.raises(BudgetError, match=r"a\.tif") as caught:
        make_plan(image, 450, FitSettings(), 400)
    assert "largest possible ratio" in str(caught.value.fix)
    ratio = float(str(caught.value.fix).split()[-1])
    make_plan(image, int(image.raw_bytes / ratio), FitSettings(), 400)


@given(jobs())
@settings(max_examples=30)
def test_more_bytes_buy_more_weights(job: tuple[Image, int]) -> None:
    image, budget = job
    if "C" in image.axes:
        return
    small, large = (make_plan(image, b, FitSettings(), 400) for b in (budget, 4 * budget))
    assert len(large.grid) * count_weights(large.field) > len(small.grid) * count_weights(
        small.field
    )
