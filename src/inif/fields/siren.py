"""The paper's field: a SIREN, coordinates in, intensities out (Methods; docs/format.md "siren/1").

h0 = coordinates; h(i+1) = sin(W_i h_i + b_i); output = W_last h + b_last, in [-1, 1] for the range
of each channel. The learnable frequency of training is folded into W and b, so decoding needs none.
Products of a few hundred points with a margin, (features, points) each, give each point the same
bits whatever its neighbours, so one slice equals the same slice of the whole image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.errors import FormatError
from inif.fields.parallel import over_ranges

FEATURE = "siren/1"
MAX_WIDTH = 4096
MAX_LAYERS = 32
_PART, _MARGIN, _ALIGN = 272, 8, 32
_BLOCK = 8 * _PART
"""Points at a time: products of `_PART`, and `_MARGIN` more on both sides that are for nothing.

OpenBLAS rounds the first and last columns of a product otherwise on some CPUs, and starts anew
after 320 or so. All in all the columns are a multiple of `_ALIGN`.
"""


@dataclass(frozen=True)
class Siren:
    """A SIREN's shape.

    Attributes
    ----------
    inputs, outputs
        Coordinates in (D), values out.
    width, layers
        Features of each hidden layer; linear maps in all, the last one without sine.
    channels
        "outputs": one output per channel; "coordinate": C is an input axis; "none": no C axis.
    """

    inputs: int
    outputs: int
    width: int
    layers: int = 7
    channels: str = "none"

    kind = "siren"
    feature = FEATURE

    @property
    def group_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Each layer's matrix, then all hidden biases together, then the output's biases."""
        w = self.width
        matrices = [(w, self.inputs), *[(w, w)] * (self.layers - 2), (self.outputs, w)]
        return (*matrices, (self.layers - 1, w), (self.outputs,))

    def points(self, weights: Sequence[np.ndarray], coords: np.ndarray) -> np.ndarray:
        """Values at (D, N) coordinates in [-1, 1]: (outputs, N) of the weights' dtype."""
        out = np.empty((self.outputs, coords.shape[1]), weights[0].dtype)

        def task(start: int, stop: int) -> None:
            for at in range(start, stop, _BLOCK):
                part = slice(at, min(at + _BLOCK, stop))
                out[:, part] = self._block(weights, coords[:, part])

        over_ranges(task, coords.shape[1], _BLOCK)
        return out

    def grid(self, weights: Sequence[np.ndarray], axes: Sequence[np.ndarray]) -> np.ndarray:
        """Values on a grid, C order: (outputs, n1 · … · nD) of the weights' dtype."""
        shape = tuple(len(a) for a in axes)
        out = np.empty((self.outputs, math.prod(shape)), weights[0].dtype)

        def task(start: int, stop: int) -> None:
            for at in range(start, stop, _BLOCK):
                flat = np.arange(at, min(at + _BLOCK, stop))
                coords = np.zeros((len(axes), flat.size), out.dtype)
                index = np.unravel_index(flat, shape) if shape else ()
                for row, a, i in zip(coords, axes, index, strict=True):
                    row[:] = a[i]
                out[:, at : at + flat.size] = self._block(weights, coords)

        over_ranges(task, out.shape[1], _BLOCK)
        return out

    def _block(self, weights: Sequence[np.ndarray], coords: np.ndarray) -> np.ndarray:
        n = coords.shape[1]
        parts, points = -(-n // _PART), min(n, _PART)
        points += -(points + 2 * _MARGIN) % _ALIGN
        padded = np.pad(coords, ((0, 0), (0, parts * points - n)))
        inputs = np.pad(
            padded.reshape(self.inputs, parts, points), ((0, 0), (0, 0), (_MARGIN, _MARGIN))
        )
        biases, last_bias = weights[-2], weights[-1]
        first = weights[0]
        h = np.tile(biases[0][:, None], (parts, 1, inputs.shape[2]))
        for axis in range(self.inputs):
            h += first[:, axis, None] * inputs[axis, :, None, :]
        np.sin(h, out=h)
        spare = np.empty_like(h)
        for matrix, bias in zip(weights[1:-3], biases[1:], strict=True):
            np.matmul(matrix, h, out=spare)
            spare += bias[:, None]
            np.sin(spare, out=spare)
            h, spare = spare, h
        out = (weights[-3] @ h)[:, :, _MARGIN:-_MARGIN]
        out += last_bias[:, None]
        return np.asarray(np.moveaxis(out, 1, 0).reshape(self.outputs, -1)[:, :n])

    def to_json(self) -> dict[str, Any]:
        """The header's ``field`` object; inputs and outputs follow from axes and shape."""
        body: dict[str, Any] = {"kind": "siren", "width": self.width, "layers": self.layers}
        if self.channels != "none":
            body["channels"] = self.channels
        return body

    @classmethod
    def for_image(
        cls, axes: str, shape: Sequence[int], *, channels: str, width: int, layers: int = 7
    ) -> Siren:
        """The SIREN of an image; `channels` is "outputs" or "coordinate" (ignored without C)."""
        inputs = len(axes.replace("C", ""))
        if "C" not in axes:
            return cls(inputs, 1, width, layers, "none")
        if channels == "coordinate":
            return cls(inputs + 1, 1, width, layers, channels)
        return cls(inputs, shape[axes.index("C")], width, layers, "outputs")

    @classmethod
    def from_json(
        cls, spec: Mapping[str, Any], inputs: int, channels: int, *, file: object
    ) -> Siren:
        """The inverse of `to_json`; every number is checked against the format's limits.

        Raises
        ------
        FormatError
            A number out of its limits, or a treatment of channels that does not fit the image.
        """

        def number(name: str, low: int, high: int) -> int:
            value = spec.get(name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise FormatError(
                    "the field's description is not valid",
                    file=file,
                    field=f"field.{name}",
                    expected=f"a whole number in {low} … {high}",
                    got=value,
                )
            return value

        width, layers = number("width", 1, MAX_WIDTH), number("layers", 3, MAX_LAYERS)
        mode = spec.get("channels", "none")
        allowed = ("outputs", "coordinate") if channels else ("none",)
        if mode not in allowed:
            raise FormatError(
                "the field's description is not valid",
                file=file,
                field="field.channels",
                expected=" or ".join(allowed),
                got=mode,
            )
        if mode == "coordinate":
            return cls(inputs + 1, 1, width, layers, mode)
        return cls(inputs, channels or 1, width, layers, mode)
