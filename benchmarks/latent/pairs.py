"""What the repair learns from: images of a corpus, and what the latent field keeps of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from examples import RATIOS, SMALLEST_SIDE, STEPS, image_of, likely_plan, price_of, rows_of

from inif.latent import _core
from inif.latent.decoder import coefficients_of
from inif.latent.plan import Plan
from inif.latent.stream import Coder, Rates
from inif.latent.tables import load as tables
from inif.latent.transform import analyse, synthesise

_TRIALS = 300 * 2.0 ** np.arange(9)


@dataclass(frozen=True)
class Pair:
    """An image and what is kept of it.

    Attributes
    ----------
    name, fold, ratio
        Of the item; how many times smaller it is.
    step
        Of the quantiser.
    original, decoded
        (C, T, Z, Y, X) float32, 0 … 65535 of each channel's range.
    """

    name: str
    fold: int
    ratio: float
    step: float
    original: np.ndarray
    decoded: np.ndarray


def decoded(x: np.ndarray, plan: Plan, step: float, model: _core.Model) -> tuple[np.ndarray, int]:
    """What two passes at this step keep of an image, and the bytes that it takes."""
    rates = Rates(step, price_of(plan))
    coefficients = analyse(x, plan)
    _, latents, *_ = Coder(plan, model).encode(coefficients, rates, writes=False)
    _, latents, bits, _ = Coder(plan, model).encode(coefficients, rates, most=latents, writes=False)
    return synthesise(*coefficients_of(latents, step), plan), int(bits / 8)


def pairs_of(path: Path, name: str, fold: int, model: _core.Model) -> list[Pair]:
    """The pairs of an image at the usual ratios, none if it is too small."""
    x, item = image_of(path)
    x = np.ascontiguousarray(x)
    if min(x.shape[3:]) < SMALLEST_SIDE:
        return []
    raw, plan = x.size * item, likely_plan(x, 4000.0)
    coefficients = analyse(x, plan)
    sizes: dict[float, float] = {}
    for step in _TRIALS[::-1].tolist():  # from small files to large ones
        bits = Coder(plan, model).encode(coefficients, Rates(step), writes=False).bits
        sizes[step] = bits / 8
        if bits / 8 > raw / RATIOS[min(item, 2)][0]:
            break
    logs = np.log([[size, step] for step, size in sorted(sizes.items(), reverse=True)]).T
    out = []
    for ratio in RATIOS[min(item, 2)]:
        step = float(np.exp(np.interp(np.log(raw / ratio), *logs)))
        if STEPS[0] < step < STEPS[1]:
            y, size = decoded(x, plan, step, model)
            out.append(Pair(name, fold, raw / size, step, x, y))
    return out


def make(corpus: Path, folder: Path, threads: int = 2) -> None:
    """Make the pairs of a corpus, a file for each image; those that are in the folder stay."""
    folder.mkdir(parents=True, exist_ok=True)
    model = tables()

    def one(row: dict[str, str]) -> None:
        path = folder / (row["file"] + ".npz")
        if path.exists():
            return
        pairs = pairs_of(corpus / row["file"], row["file"], int(row["fold"]), model)
        arrays = {f"y{i}": p.decoded for i, p in enumerate(pairs)}
        if pairs:
            arrays["x"] = pairs[0].original
        part = folder / (row["file"] + ".part")
        with part.open("wb") as file:
            np.savez(file, numbers=[[p.fold, p.ratio, p.step] for p in pairs], **arrays)
        part.rename(path)
        print(path.name, file=sys.stderr, flush=True)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, rows_of(corpus)))


def load(folder: Path) -> Iterator[Pair]:
    """The pairs of a folder."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as data:
            for i, (fold, ratio, step) in enumerate(data["numbers"]):
                name = path.name[: -len(".npz")]
                yield Pair(name, int(fold), ratio, step, data["x"], data[f"y{i}"])
