"""Training of the bases: the network is what images share, the mix of bases is each one's own.

Half of a batch gives the coefficients (least squares), the other half the loss, so that bases are
learned which carry over. Weights are tied over mirror images; transposed planes and reversed Z and
T are drawn at random.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from inif.fields.neighbourhood import COLUMNS, CORE, INPUTS
from inif.fields.repair import MIRRORED, Network

A, B, K = 16, 8, 12
STEPS = 12_000
_BATCH, _GROUPS = 2048, 4
_RATE, _DECAY, _WARM = 4e-3, 1e-4, 200
_RIDGE, _ZERO = 1e-3, 0.3
_LEADS = np.array([[a ^ b for b in range(4)] for a in range(4)])

Params = dict[str, Any]


def turned() -> tuple[np.ndarray, np.ndarray]:
    """Inputs and outputs under transposition and reversals of Z and T: (8, INPUTS), (8, 4)."""
    place = {column: i for i, column in enumerate(COLUMNS)}
    flip = {"z-1": "z+1", "z+1": "z-1", "z-2": "z+2", "z+2": "z-2"}
    flop = {"t-1": "t+1", "t+1": "t-1"}
    columns, outputs = [], []
    for swap in (False, True):
        for z in (False, True):
            for t in (False, True):
                row = []
                for group, y, x in COLUMNS:
                    name = flip.get(group, group) if z else group
                    name = flop.get(name, name) if t else name
                    row.append(place[name, x, y] if swap else place[name, y, x])
                columns.append([*row, INPUTS - 2, INPUTS - 1])
                outputs.append([CORE.index((x, y) if swap else (y, x)) for y, x in CORE])
    return np.array(columns), np.array(outputs)


def start(seed: int) -> Params:
    """Random weights."""
    rng = np.random.default_rng(seed)

    def normal(scale: float, *shape: int) -> jax.Array:
        return jnp.asarray(rng.normal(0, scale, shape), jnp.float32)

    return {
        "w0": normal(np.sqrt(2 / INPUTS), INPUTS, A),
        "b0": jnp.zeros(A),
        "w1": normal(np.sqrt(2 / (4 * A)), 4, A, B),
        "b1": jnp.zeros(B),
        "v2": normal(0.3 / np.sqrt(4 * B), 4, B, K),
        "v1": normal(0.1 / np.sqrt(INPUTS), INPUTS, K),
        "b2": jnp.zeros(K),
        "mean": jnp.full(K, 0.1),
    }


def bases(p: Params, x: jax.Array) -> jax.Array:
    """(…, N, INPUTS) inputs → (…, N, 4, K)."""
    mirrored = np.stack(MIRRORED)
    w0 = p["w0"][mirrored].transpose(1, 0, 2).reshape(INPUTS, 4 * A)
    w1 = p["w1"][_LEADS].transpose(0, 2, 1, 3).reshape(4 * A, 4 * B)
    v2 = p["v2"][_LEADS].transpose(1, 2, 0, 3).reshape(4 * B, 4 * K)
    v1 = p["v1"][mirrored].transpose(1, 0, 2).reshape(INPUTS, 4 * K)
    hidden = jax.nn.relu(x @ w0 + jnp.tile(p["b0"], 4))
    hidden = jax.nn.relu(hidden @ w1 + jnp.tile(p["b1"], 4))
    out = hidden @ v2 + x @ v1
    return out.reshape(*x.shape[:-1], 4, K) + p["b2"]


def losses(p: Params, x: jax.Array, y: jax.Array, w: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Relative errors of a batch (G, N, …) with coefficients of each image, and without."""
    root = jnp.sqrt(w)[..., None]
    b, t = bases(p, x) * root[..., None], y * root
    base = jnp.mean(t * t, (1, 2))
    half = b.shape[1] // 2

    def solve(b: jax.Array, t: jax.Array) -> jax.Array:
        flat, goal = b.reshape(-1, K), t.reshape(-1)
        gram = flat.T @ flat
        damped = gram + (_RIDGE * jnp.trace(gram) / K + 1e-6) * jnp.eye(K)
        return jnp.linalg.solve(damped, flat.T @ goal)

    def crossed(b: jax.Array, t: jax.Array) -> jax.Array:
        first, second = solve(b[:half], t[:half]), solve(b[half:], t[half:])
        return (
            jnp.mean((b[half:] @ first - t[half:]) ** 2)
            + jnp.mean((b[:half] @ second - t[:half]) ** 2)
        ) / 2

    with_own = jax.vmap(crossed)(b, t) / base
    without = jnp.mean((b @ p["mean"] - t) ** 2, (1, 2)) / base
    return with_own, without


def train(
    data: dict[str, list[tuple[np.ndarray, ...]]], steps: int, seed: int, *, loud: bool = True
) -> Params:
    """Weights from the banks of some images: name → one bank per ratio."""
    rng = np.random.default_rng(seed)
    columns, outputs = turned()
    schedule = optax.warmup_cosine_decay_schedule(
        0, _RATE, min(_WARM, steps // 5), steps, _RATE / 100
    )
    optimizer = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adamw(schedule, b2=0.99, weight_decay=_DECAY)
    )
    p = start(seed)
    state = optimizer.init(p)

    @jax.jit
    def step(p: Params, state: Any, x: Any, y: Any, w: Any) -> tuple[Params, Any, Any]:
        def loss(p: Params) -> tuple[jax.Array, Any]:
            own, none = losses(p, x.astype(jnp.float32), y, w)
            return jnp.mean(own + _ZERO * none), (jnp.mean(own), jnp.mean(none))

        (_, parts), gradient = jax.value_and_grad(loss, has_aux=True)(p)
        updates, state = optimizer.update(gradient, state, p)
        return optax.apply_updates(p, updates), state, parts

    names = sorted(data)
    seen = []
    for number in range(1, steps + 1):
        turn = rng.integers(len(columns))
        batch = []
        for name in rng.choice(names, min(_GROUPS, len(names)), replace=False):
            x, y, w = data[name][rng.integers(len(data[name]))]
            at = rng.integers(len(w) - _BATCH + 1)
            cut = slice(at, at + _BATCH)
            batch.append((x[cut][:, columns[turn]], y[cut][:, outputs[turn]], w[cut]))
        p, state, parts = step(p, state, *(np.stack(v) for v in zip(*batch, strict=True)))
        seen.append(parts)
        if loud and number % max(1, steps // 4) == 0:
            print(number, *np.round(np.mean(np.array(seen), axis=0), 4), flush=True)
            seen = []
    return {key: np.asarray(value) for key, value in p.items()}


def finished(p: Params, data: dict[str, list[tuple[np.ndarray, ...]]]) -> Network:
    """The network with its coefficients turned so that the first ones matter most."""
    grams, exact = [], []
    for banks in data.values():
        for x, y, w in banks:
            root = np.sqrt(w)[:, None]
            b = np.asarray(bases(p, jnp.asarray(x[:4096], jnp.float32))) * root[:4096, :, None]
            t = (y * root)[:4096]
            flat = b.reshape(-1, K).astype(np.float64)
            power = float(np.mean(t * t))
            gram = flat.T @ flat / flat.shape[0] / power
            right = flat.T @ t.ravel() / flat.shape[0] / power
            damped = gram + np.eye(K) * (_RIDGE * np.trace(gram) / K + 1e-9)
            grams.append(gram)
            exact.append(np.linalg.solve(damped, right - gram @ p["mean"]))
    factor = np.linalg.cholesky(np.mean(grams, axis=0) + 1e-9 * np.eye(K))
    turned_ = np.array(exact) @ factor  # rows: Lᵀ d
    _, lengths, axes = np.linalg.svd(turned_, full_matrices=False)
    scale = lengths / np.sqrt(len(turned_))
    spread = np.linalg.solve(factor.T, axes.T * scale)
    half = {k: v.astype(np.float16).astype(np.float32) for k, v in p.items()}
    return Network(**half, spread=spread.astype(np.float16).astype(np.float32))
