"""Every kind of field passes this: a new one adds its examples to `EXAMPLES`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from inif.axes import coordinates
from inif.codecs import CODECS
from inif.container import spec
from inif.errors import FormatError
from inif.fields.field import Field, count_weights, load_field
from inif.fields.siren import Siren

pytestmark = pytest.mark.numerical


@dataclass(frozen=True)
class Example:
    """A field, the image it is for, and its plain definition in float64."""

    field: Field
    image_inputs: int
    channels: int
    reference: Callable[[Sequence[np.ndarray], np.ndarray], np.ndarray]


def siren(weights: Sequence[np.ndarray], coords: np.ndarray) -> np.ndarray:
    """docs/format.md, "siren/1": (D, N) coordinates, (outputs, N) values."""
    *matrices, last, biases, last_bias = (np.asarray(w, np.float64) for w in weights)
    h = coords.astype(np.float64)
    for matrix, bias in zip(matrices, biases, strict=True):
        h = np.sin(matrix @ h + bias[:, None])
    return last @ h + last_bias[:, None]


EXAMPLES = {
    "siren-1d": Example(Siren(1, 1, 5, 3), 1, 0, siren),
    "siren-2d": Example(Siren(2, 1, 33, 7), 2, 0, siren),
    "siren-3d": Example(Siren(3, 1, 64, 5), 3, 0, siren),
    "siren-wide": Example(Siren(3, 1, 150, 4), 3, 0, siren),
    "siren-narrow": Example(Siren(2, 1, 1, 3), 2, 0, siren),
    "siren-channels": Example(Siren(3, 4, 18, 7, "outputs"), 3, 4, siren),
    "siren-coordinate": Example(Siren(4, 1, 18, 7, "coordinate"), 3, 4, siren),
    "siren-many": Example(Siren(2, 41, 24, 5, "outputs"), 2, 41, siren),
    "siren-4d": Example(Siren(4, 3, 12, 7, "outputs"), 4, 3, siren),
    "siren-spectrum": Example(Siren(0, 6, 4, 3, "outputs"), 0, 6, siren),
}
KINDS = {e.field.kind for e in EXAMPLES.values()}


@pytest.fixture(params=EXAMPLES)
def example(request: pytest.FixtureRequest) -> Example:
    return EXAMPLES[request.param]


def random_weights(field: Field, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    scale = [1.5 / np.sqrt(max(s[-1], 1)) for s in field.group_shapes]
    scale[0] *= 8
    return [
        rng.normal(0, a, s).astype(np.float32)
        for a, s in zip(scale, field.group_shapes, strict=True)
    ]


def vectors(field: Field, lengths: Sequence[int] = (7, 12, 9, 5)) -> list[np.ndarray]:
    return [coordinates(n) for n in lengths[: inputs_of(field)]]


def inputs_of(field: Field) -> int:
    return field.group_shapes[0][1]


def mesh(axes: Sequence[np.ndarray]) -> np.ndarray:
    if not axes:
        return np.zeros((0, 1), np.float32)
    return np.stack([m.ravel() for m in np.meshgrid(*axes, indexing="ij")])


def test_all_kinds_are_tested() -> None:
    assert {f"{k}/1" for k in KINDS} <= spec.SUPPORTED
    others = {"qweights", "hybrid", "repair", "residual", "lossless", "latent"}
    others |= {"corrections", *CODECS}
    assert {f.partition("/")[0] for f in spec.SUPPORTED} - others <= KINDS


def test_json_round_trip(example: Example) -> None:
    body = json.loads(json.dumps(example.field.to_json()))
    assert body["kind"] == example.field.kind
    assert example.field.feature in spec.SUPPORTED
    again = load_field(body, example.image_inputs, example.channels, file="a.inif")
    assert again == example.field


def test_weights_have_the_stated_shapes(example: Example) -> None:
    field = example.field
    weights = random_weights(field)
    assert count_weights(field) == sum(w.size for w in weights)
    out = field.points(weights, mesh(vectors(field)))
    assert out.dtype == np.float32
    assert out.shape == (field.outputs, mesh(vectors(field)).shape[1])


def test_values_are_those_of_the_definition(example: Example) -> None:
    weights = random_weights(example.field)
    coords = np.random.default_rng(1).uniform(-1, 1, (inputs_of(example.field), 300))
    coords = coords.astype(np.float32)
    got = example.field.points(weights, coords)
    wanted = example.reference(weights, coords)
    np.testing.assert_allclose(got, wanted, atol=2e-4 * max(1, np.abs(wanted).max()))


def test_points_are_the_grid_bit_for_bit(example: Example) -> None:
    weights, axes = random_weights(example.field), vectors(example.field)
    grid = example.field.grid(weights, axes)
    coords = mesh(axes)
    np.testing.assert_array_equal(example.field.points(weights, coords), grid)
    order = np.random.default_rng(2).permutation(coords.shape[1])
    for part in (order, order[:1], order[:33], order[5:17]):
        np.testing.assert_array_equal(example.field.points(weights, coords[:, part]), grid[:, part])


def test_a_part_of_the_grid_has_the_same_bits(example: Example) -> None:
    weights, axes = random_weights(example.field), vectors(example.field, (41, 37, 6, 2))
    lengths = [len(a) for a in axes]
    whole = example.field.grid(weights, axes).reshape(-1, *lengths)
    rng = np.random.default_rng(3)
    for _ in range(12):
        picks = [np.sort(rng.choice(n, rng.integers(1, n + 1), replace=False)) for n in lengths]
        part = example.field.grid(weights, [a[p] for a, p in zip(axes, picks, strict=True)])
        wanted = whole[np.ix_(np.arange(whole.shape[0]), *picks)]
        np.testing.assert_array_equal(part.reshape(wanted.shape), wanted)


def test_many_points_are_the_same_as_few() -> None:
    field = EXAMPLES["siren-2d"].field
    weights = random_weights(field)
    coords = np.random.default_rng(4).uniform(-1, 1, (2, 20_001)).astype(np.float32)
    whole = field.points(weights, coords)
    for begin, end in ((0, 1), (8191, 8193), (16_000, 20_001), (20_000, 20_001)):
        part = field.points(weights, np.ascontiguousarray(coords[:, begin:end]))
        np.testing.assert_array_equal(part, whole[:, begin:end])


def test_no_points(example: Example) -> None:
    weights = random_weights(example.field)
    inputs = inputs_of(example.field)
    assert example.field.points(weights, np.zeros((inputs, 0), np.float32)).shape[1] == 0
    if inputs:
        empty = [np.zeros(0, np.float32), *vectors(example.field)[1:]]
        assert example.field.grid(weights, empty).shape == (example.field.outputs, 0)


def test_evaluating_changes_no_weights(example: Example) -> None:
    weights = random_weights(example.field)
    before = [w.copy() for w in weights]
    example.field.grid(weights, vectors(example.field))
    for a, b in zip(weights, before, strict=True):
        np.testing.assert_array_equal(a, b)


WRONG: list[dict[str, Any]] = [
    {},
    {"kind": "no-such"},
    {"kind": None},
    {"kind": "siren"},
    *(
        {"kind": "siren", "width": 8, "layers": 7, name: value}
        for name, values in {
            "width": (0, -1, 4097, 1.5, 8.0, "8", None, True, [8], 10**30),
            "layers": (0, 2, 33, 7.0, "7", None, True),
            "channels": ("outputs", "coordinate", "OUTPUTS", 3, None, [], {}),
        }.items()
        for value in values
    ),
]


@pytest.mark.parametrize("body", WRONG, ids=repr)
def test_bad_descriptions(body: dict[str, Any]) -> None:
    with pytest.raises(FormatError) as caught:
        load_field(body, 2, 0, file="a.inif")
    assert caught.value.file == "a.inif"
    assert str(caught.value.field).startswith("field.")


@pytest.mark.parametrize("mode", ["none", "both", None, 1])
def test_an_image_with_channels_needs_their_treatment(mode: object) -> None:
    with pytest.raises(FormatError, match=r"field\.channels"):
        load_field({"kind": "siren", "width": 8, "layers": 7, "channels": mode}, 2, 3, file="a")
    with pytest.raises(FormatError, match=r"field\.channels"):
        load_field({"kind": "siren", "width": 8, "layers": 7}, 2, 3, file="a")
