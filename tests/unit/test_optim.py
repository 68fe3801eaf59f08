"""Names of optimizers, and how the learning rate goes."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from inif.errors import InputError
from inif.optim import optimizers
from inif.optim.schedules import WARM_UP, warm_cosine


def test_auto_is_one_of_them() -> None:
    assert optimizers.parse("auto").name in optimizers.names()
    name = optimizers.parse("auto").name
    assert optimizers.parse(f"{name}").name == name


@pytest.mark.parametrize("text", ["", "no-such", "Adam", ":0.1", "adam ", "adam-0.1"])
def test_unknown_names_list_the_known(text: str) -> None:
    with pytest.raises(InputError, match="adamw") as caught:
        optimizers.parse(text)
    assert caught.value.field == "optimizer"


@given(st.floats(0, 1))
def test_the_multiplier_lies_between_zero_and_one(done: float) -> None:
    assert 0 <= warm_cosine(done) <= 1


@given(st.floats(WARM_UP, 1), st.floats(WARM_UP, 1))
def test_after_the_warm_up_it_only_falls(a: float, b: float) -> None:
    assert a >= b or warm_cosine(a) >= warm_cosine(b)


def test_its_ends() -> None:
    assert 0 < warm_cosine(0) < 0.05
    assert warm_cosine(WARM_UP) == pytest.approx(1)
    assert warm_cosine(1) == pytest.approx(0)
    assert warm_cosine(1.5) == pytest.approx(0)
