"""`inif convert` of the authors' networks of more axes: the channel is a coordinate like others."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_legacy import FREQUENCY, HIGH, LOW, Weights, dump, facts_of, network, tree_of

import inif
from inif.axes import coordinates
from inif.errors import AxesError
from inif.fields.siren import Siren
from inif.legacy import read_legacy

SHAPE = (3, 4, 2, 6, 5)
"""As 135 × 160 × 2 × 136 × 135 of the authors, times first, channels in the middle."""


def layers_of(inputs: int) -> Weights:
    """Layers as in `test_legacy`, for another number of coordinates."""
    layers = network()
    rng = np.random.default_rng(inputs)
    w, b = layers["sensory"]
    layers["sensory"] = rng.uniform(-0.03, 0.03, (inputs, w.shape[1])).astype(np.float32), b
    return layers


def pickled(folder: Path, shape: tuple[int, ...]) -> Path:
    path = folder / "network.pkl"
    names = [*(f"dim{i}" for i in range(len(shape) - 2)), "X", "Y"]
    sizes = dict(zip(names, shape, strict=True))
    facts = facts_of(shape=sizes, model={"name": "INIF", "features": 8, "coords_channel": 5})
    path.write_bytes(dump((tree_of(layers_of(len(shape))), facts)))
    return path


def published(layers: Weights, shape: tuple[int, ...]) -> np.ndarray:
    """Counts by the published formula, one voxel after the other, in Python's own arithmetic."""
    frequency = 90 + float(FREQUENCY)
    out = np.empty(shape)
    for place in np.ndindex(*shape):
        h = [i / (n - 1) * 2 - 1 if n > 1 else 0.0 for i, n in zip(place, shape, strict=True)]
        for name in ("sensory", *(f"mid_{i}" for i in range(1, 6))):
            w, b = layers[name]
            h = [
                math.sin(
                    frequency * (sum(a * float(v) for a, v in zip(h, row, strict=True)) + float(c))
                )
                for row, c in zip(w.T, b, strict=True)
            ]
        w, b = layers["out"]
        total = sum(a * float(v) for a, v in zip(h, w[:, 0], strict=True)) + float(b[0])
        out[place] = total * (HIGH - LOW) / 100
    return out


@pytest.mark.parametrize(
    ("axes", "shape"),
    [("TZCYX", SHAPE), ("CZYX", (3, 2, 5, 4)), ("YXC", (6, 5, 2)), ("TZYX", (2, 3, 4, 5))],
)
def test_every_layout_keeps_the_formula(tmp_path: Path, axes: str, shape: tuple[int, ...]) -> None:
    legacy = read_legacy(pickled(tmp_path, shape), axes=axes)
    truth = published(layers_of(len(shape)), shape)
    assert LOW < truth.min() < truth.max() < HIGH  # nothing is clipped
    field = Siren.for_image(axes, shape, channels="coordinate", width=8)
    outputs = field.grid(legacy.groups, [coordinates(n) for n in shape]).reshape(shape)
    counts = (outputs + 1) / 2 * (HIGH - LOW) + LOW
    # Seven layers of up to 8 products in float32, each times a frequency of 70.
    np.testing.assert_allclose(counts, truth, atol=(HIGH - LOW) * 7 * 8 * 70 * 2.0**-24)


def test_a_network_of_five_axes_converts(tmp_path: Path, cli: Callable[..., Any]) -> None:
    path, out = pickled(tmp_path, SHAPE), tmp_path / "a.inif"
    done = cli("convert", path, out, "--axes", "tzcyx", "--psnr", "60", "--json")
    assert (done.code, done.json["axes"]) == (0, "TZCYX")
    truth = published(layers_of(5), SHAPE)
    with inif.open(out) as file:
        assert (file.shape, file.dtype) == (SHAPE, np.dtype("uint16"))
        assert file.header["field"]["channels"] == "coordinate"
        assert file.header["range"] == [[LOW, HIGH]] * 2
        samples = np.asarray(file)
        error = np.sqrt(np.mean((samples - truth) ** 2))
        assert error < (HIGH - LOW) * 10 ** (-57 / 20)
        np.testing.assert_array_equal(file.sel(c=1, t=2), samples[2, :, 1])
    assert inif.verify(out)["ok"]


def test_axes_that_nobody_names_are_asked_for(tmp_path: Path, cli: Callable[..., Any]) -> None:
    path = pickled(tmp_path, SHAPE)
    with pytest.raises(AxesError) as caught:
        read_legacy(path)
    assert caught.value.got == "dim0 3, dim1 4, dim2 2, X 6, Y 5"
    assert "--axes" in (caught.value.fix or "")
