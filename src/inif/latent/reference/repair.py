"""The integer network of the repair in NumPy: what the compiled one must equal, bit for bit.

The training uses it too, for the inputs.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

SIDE = 4
"""Of a block."""

HIDDEN = (80, 32)
MOST_INPUT = 625
MOST_ACTIVATION = 8191
SHIFT = 12
"""Weights are in 1/4096; inputs, activations and corrections (of a step) in 1/256."""

QUIET = 24
"""Blocks without larger inputs stay as they are."""

NEAR = [(y, x) for y in range(-2, SIDE + 2) for x in range(-2, SIDE + 2)]
RING = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]
BESIDE = [(y, x) for y in range(-1, SIDE + 1) for x in range(-1, SIDE + 1)]
"""Samples by their place in the block, blocks by their distance, samples of the planes beside."""

_KNEES = ((8, 4), (32, 2), (80, 1), (176, 1 / 2), (368, 1 / 4), (752, 1 / 8), (2800, 1 / 16))

Layers = list[tuple[np.ndarray, np.ndarray]]
"""Of each layer the weights (outputs, inputs) int16 and the bias (outputs,) int32."""


def inputs_of(stack: bool) -> int:
    """How many inputs a network has."""
    return len(NEAR) + len(RING) + (2 * len(BESIDE) if stack else 0)


def layers_of(net: bytes) -> Layers:
    """The layers of a network as it is stored."""
    first = len(net) - sum(m * (2 * n + 4) for n, m in pairwise((*HIDDEN, SIDE**2)))
    out, at = [], 0
    for n, m in pairwise(((first // HIDDEN[0] - 4) // 2, *HIDDEN, SIDE**2)):
        row = np.dtype([("weights", "<i2", n), ("bias", "<i4")])
        rows = np.frombuffer(net, row, m, at)
        out.append((rows["weights"], rows["bias"]))
        at += m * row.itemsize
    return out


def stored(layers: Layers) -> bytes:
    """A network as bytes: row by row the weights and the bias of an output."""
    return b"".join(
        w.astype("<i2").tobytes() + np.array(b, "<i4").tobytes()
        for weights, bias in layers
        for w, b in zip(weights, bias, strict=True)
    )


def integers(x: np.ndarray, step: float) -> np.ndarray:
    """Samples as whole sixty-fourths of a step, int32."""
    with np.errstate(over="ignore", invalid="ignore"):
        v = x.astype(np.float32) * (np.float32(64) / np.float32(step))
    v = np.clip(np.where(np.isnan(v), np.inf, v), -np.float32(1 << 26), np.float32(1 << 26))
    rounded: np.ndarray = v + np.where(v < 0, np.float32(-0.5), np.float32(0.5))
    return rounded.astype(np.int32)


def inputs(v: np.ndarray, d: np.ndarray, y: np.ndarray, x: np.ndarray, stack: bool) -> np.ndarray:
    """What the network sees of the blocks at (d, 4 y, 4 x), (blocks, inputs) int32.

    Parameters
    ----------
    v
        (D, H, W) int32 from `integers`; its edge goes on outside, along D it is mirrored.
    """
    depth, height, width = v.shape

    def near(d: np.ndarray, i: int, j: int) -> np.ndarray:
        found: np.ndarray = v[
            d, np.clip(SIDE * y + i, 0, height - 1), np.clip(SIDE * x + j, 0, width - 1)
        ]
        return found

    def mean(i: int, j: int) -> np.ndarray:
        block = [near(d, SIDE * i + k, SIDE * j + m) for k in range(SIDE) for m in range(SIDE)]
        total = np.full(len(d), SIDE**2 // 2, np.int32)
        for value in block:
            total += value
        return total >> 4

    own = mean(0, 0)
    found = [near(d, i, j) for i, j in NEAR] + [mean(i, j) for i, j in RING]
    if stack:
        before = np.abs(d - 1) if depth > 1 else d
        after = np.where(d + 1 < depth, d + 1, depth - 2) if depth > 1 else d
        found += [near(e, i, j) for e in (before, after) for i, j in BESIDE]
    difference = np.stack(found, 1) - own[:, None]
    size = np.minimum(np.abs(difference), 2800)
    compressed: np.ndarray = np.zeros(size.shape, np.int32)
    for knee, slope in _KNEES:
        compressed += np.floor(slope * np.minimum(size, knee)).astype(np.int32)
    compressed[difference < 0] *= -1
    return compressed


def corrections(f: np.ndarray, layers: Layers) -> np.ndarray:
    """What the network says of blocks, (blocks, 16) int64, in 1/256 of a step."""
    h = f.astype(np.int64)
    for i, (weights, bias) in enumerate(layers):
        h = (h @ weights.astype(np.int64).T + bias) >> SHIFT
        if i < len(layers) - 1:
            h = np.clip(h, 0, MOST_ACTIVATION)
    h[np.abs(f).max(1) <= QUIET] = 0
    return h


def repair(
    x: np.ndarray,
    step: float,
    net: bytes,
    out: np.ndarray,
    first: int,
    last: int,
    top: int,
    bottom: int,
) -> None:
    """As `_core.repair`."""
    layers = layers_of(net)
    stack = layers[0][0].shape[1] == inputs_of(True)
    _, depth, height, width = x.shape
    rows, columns = (height + SIDE - 1) // SIDE, (width + SIDE - 1) // SIDE
    y, b = (a.ravel() for a in np.indices((rows, columns)))
    unit = np.float32(step) / np.float32(256)
    for plane in range(first, last):
        k, d = divmod(plane, depth)
        f = inputs(integers(x[k], step), np.full(len(y), d), y, b, stack)
        blocks = corrections(f, layers).astype(np.float32) * unit
        blocks = blocks.reshape(rows, columns, SIDE, SIDE).transpose(0, 2, 1, 3)
        whole = blocks.reshape(rows * SIDE, columns * SIDE)[:height, :width]
        out[k, d, top:bottom] = whole[top:bottom]
