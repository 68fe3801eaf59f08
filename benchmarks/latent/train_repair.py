"""Train the networks of the repair on a corpus of images, and judge them by its folds.

PAIRS is a folder for what the latent field keeps of the images of CORPUS; it is filled at first,
in some minutes. With --folds, networks are trained on three folds and measured on the fourth.

    python benchmarks/latent/train_repair.py CORPUS PAIRS [--folds] [--out FILE] [--record FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pairs as made
from pairs import Pair

from inif.latent import repair
from inif.latent.reference import repair as reference

ROOT = Path(__file__).parents[2]
OUT = ROOT / "src/inif/latent/nets.bin"
RECORD = ROOT / "benchmarks/results/latent_repair.json"

BLOCKS = 8000
"""Of each pair."""

STEPS, BATCH, RATE = 6000, 2048, 3e-3
_MOST_ERROR = 6.0
_MOST_WEIGHT = 7.9

SIDE = reference.SIDE

Params = list[tuple[jax.Array, jax.Array]]


@dataclass
class Samples:
    """Blocks of one pair.

    Attributes
    ----------
    name, fold, ratio, stack
        Of the pair.
    inputs
        (blocks, inputs) int16.
    errors
        (blocks, 16) float32, original less decoded, in steps.
    share
        Of the image's blocks that are not quiet; only such are here.
    mean_square
        Of the whole image's error, in squared steps.
    """

    name: str
    fold: int
    ratio: float
    stack: bool
    inputs: np.ndarray
    errors: np.ndarray
    share: float
    mean_square: float


def samples_of(pair: Pair, rng: np.random.Generator, count: int = BLOCKS) -> Samples:
    """Blocks drawn from a pair."""
    axes = (0, 2, 1, 3, 4) if pair.decoded.shape[1] > 1 else (0, 1, 2, 3, 4)
    x, y = (
        v.transpose(axes).reshape(-1, v.shape[axes[2]], *v.shape[3:])
        for v in (pair.original, pair.decoded)
    )
    stacks, depth, height, width = y.shape
    missed = x - y
    found, errors, drawn = [], [], 0
    share = np.bincount(rng.integers(0, stacks, 2 * count), minlength=stacks)
    for k in range(stacks):
        n = int(share[k])
        d = rng.integers(0, depth, n)
        b = rng.integers(0, height // SIDE, n)
        c = rng.integers(0, width // SIDE, n)
        f = reference.inputs(reference.integers(y[k], pair.step), d, b, c, depth > 1)
        keep = np.abs(f).max(1) > reference.QUIET
        drawn += n
        d, b, c = d[keep], b[keep], c[keep]
        e = [
            missed[k, d, SIDE * b + i, SIDE * c + j] / np.float32(pair.step)
            for i in range(SIDE)
            for j in range(SIDE)
        ]
        found.append(f[keep].astype(np.int16))
        errors.append(np.stack(e, 1).astype(np.float32))
    inputs, all_errors = np.concatenate(found), np.concatenate(errors)
    square = float(np.mean((missed / np.float32(pair.step)) ** 2))
    return Samples(
        pair.name, pair.fold, pair.ratio, depth > 1, inputs[:count], all_errors[:count],
        len(inputs) / drawn, square,
    )  # fmt: skip


def symmetries(stack: bool) -> tuple[np.ndarray, np.ndarray]:
    """Orders of the inputs and of the outputs that mean an image turned about its diagonal, or Z.

    A mirrored image is another matter: its grids begin at other samples of a block.
    """
    places = [(0, "near", p) for p in reference.NEAR] + [(0, "ring", p) for p in reference.RING]
    if stack:
        places += [(d, "near", p) for d in (-1, 1) for p in reference.BESIDE]
    index = {place: i for i, place in enumerate(places)}
    orders, outputs = [], []
    for flipped in (1, -1) if stack else (1,):
        for turned in (False, True):
            orders.append([index[flipped * d, k, p[::-1] if turned else p] for d, k, p in places])
            corners = np.arange(SIDE**2).reshape(SIDE, SIDE)
            outputs.append((corners.T if turned else corners).ravel())
    return np.array(orders), np.array(outputs)


def network(params: Params, f: jax.Array) -> jax.Array:
    """The network in floating point: corrections in steps of inputs in 1/256."""
    h = f / 256
    for i, (w, b) in enumerate(params):
        h = h @ w + b
        if i < len(params) - 1:
            h = jnp.clip(h, 0, reference.MOST_ACTIVATION / 256)
    return h


def train(
    data: list[Samples],
    *,
    steps: int = STEPS,
    seed: int = 0,
) -> Params:
    """A network of one kind."""
    stack = data[0].stack
    f = np.concatenate([s.inputs for s in data])
    e = np.concatenate([s.errors for s in data])
    weights = np.concatenate([np.full(len(s.inputs), weight_of(s), np.float32) for s in data])
    weights /= weights.mean()
    orders, outputs = symmetries(stack)
    rng = np.random.default_rng(seed)
    sizes = [f.shape[1], *reference.HIDDEN, e.shape[1]]
    params = []
    for i, (n, m) in enumerate(pairwise(sizes)):
        w = rng.normal(0, np.sqrt(2 / n), (n, m)) * (0.1 if i == len(reference.HIDDEN) else 1)
        params.append((jnp.asarray(w, jnp.float32), jnp.zeros(m, jnp.float32)))

    def loss(params: Params, f: jax.Array, e: jax.Array, w: jax.Array) -> jax.Array:
        miss = jnp.clip(network(params, f) - e, -_MOST_ERROR, _MOST_ERROR)
        return jnp.mean(w[:, None] * miss**2)

    @jax.jit
    def advance(state, batches):  # type: ignore[no-untyped-def]
        def one(state, batch):  # type: ignore[no-untyped-def]
            params, m, v, i = state
            f, e, w = batch
            grad = jax.grad(loss)(params, f.astype(jnp.float32), e, w)
            m = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, m, grad)
            v = jax.tree.map(lambda a, b: 0.99 * a + 0.01 * b * b, v, grad)
            rate = RATE * jnp.minimum(1, i / 50) * (0.5 + 0.5 * jnp.cos(jnp.pi * i / steps) + 0.01)
            params = jax.tree.map(
                lambda p, a, b: jnp.clip(
                    p - rate * a / (1 - 0.9**i) / (jnp.sqrt(b / (1 - 0.99**i)) + 1e-8),
                    -_MOST_WEIGHT, _MOST_WEIGHT,
                ),
                params, m, v,
            )  # fmt: skip
            return (params, m, v, i + 1), None

        return jax.lax.scan(one, state, batches)[0]

    zero = jax.tree.map(jnp.zeros_like, params)
    state = (params, zero, zero, jnp.float32(1))
    some = 100
    for _ in range(0, steps, some):
        ff = np.empty((some, BATCH, f.shape[1]), np.int16)
        ee = np.empty((some, BATCH, e.shape[1]), np.float32)
        ix = rng.integers(0, len(f), (some, BATCH))
        for k in range(some):
            t = rng.integers(len(orders))
            ff[k] = f[ix[k]][:, orders[t]]
            ee[k] = e[ix[k]][:, outputs[t]]
        state = advance(state, (ff, ee, weights[ix]))
    return state[0]


def weight_of(s: Samples) -> float:
    """How much a block of an image counts: halfway between squared errors and gains in dB."""
    return s.share / float(np.sqrt(max(s.mean_square, 1e-3))) / max(len(s.inputs), 1)


def quantised(params: Params) -> bytes:
    """The network as it is stored."""
    unit = 1 << reference.SHIFT
    layers = []
    for w, b in params:
        weights = np.rint(np.asarray(w, np.float64).T * unit).astype(np.int16)
        bias = np.rint(np.asarray(b, np.float64) * unit * 256).astype(np.int32)
        layers.append((weights, bias + unit // 2))
    return reference.stored(layers)


def measured(pair: Pair, nets: tuple[bytes, bytes]) -> float:
    """The gain in dB over the whole of a pair, by a gain for each channel."""
    x, y = pair.original, pair.decoded
    r = repair.correction(y, pair.step, nets=nets)
    z = repair.apply(y, r, repair.gains(x, y, r))
    return 10 * float(np.log10(np.mean((x - y) ** 2) / np.mean((x - z) ** 2)))


def nets_of(data: Sequence[Samples], steps: int = STEPS) -> tuple[bytes, bytes]:
    """Networks of planes and of stacks."""
    plane, stack = (
        quantised(train([s for s in data if s.stack == kind], steps=steps))
        for kind in (False, True)
    )
    return plane, stack


def by_folds(data: Sequence[Samples], folder: Path, steps: int) -> dict[str, dict[str, float]]:
    """Mean gains in dB of each fold by networks of the other three."""
    nets = {n: nets_of([s for s in data if s.fold != n], steps) for n in {s.fold for s in data}}
    gains: dict[str, dict[str, list[float]]] = {}
    for pair in made.load(folder):
        kind = "stacks" if max(pair.decoded.shape[1:3]) > 1 else "planes"
        gain = measured(pair, nets[pair.fold])
        for name in (str(pair.fold), "all"):
            for what in (kind, "mean"):
                gains.setdefault(name, {}).setdefault(what, []).append(gain)
    return {
        name: {what: round(float(np.mean(g)), 4) for what, g in sorted(of.items())}
        for name, of in sorted(gains.items())
    }


def main() -> None:
    """Train, and say what was gained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--folds", action="store_true")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--record", type=Path, default=RECORD)
    options = parser.parse_args()
    made.make(options.corpus, options.pairs)
    data = [
        samples_of(pair, np.random.default_rng(i))
        for i, pair in enumerate(made.load(options.pairs))
    ]
    if options.folds:
        record = {"gain in dB by fold": by_folds(data, options.pairs, options.steps)}
        options.record.write_text(json.dumps(record, indent=1) + "\n")
        print(json.dumps(record, indent=1))
    else:
        start = time.process_time()
        options.out.write_bytes(b"".join(nets_of(data, options.steps)))
        print(f"trained in {time.process_time() - start:.0f} s of processor time")


if __name__ == "__main__":
    main()
