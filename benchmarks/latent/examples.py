"""Latents of a corpus of images, chosen as an encoder would, to train the coder's tables on."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from inif.latent import _core
from inif.latent.bands import Sizes
from inif.latent.decoder import Latents
from inif.latent.plan import CDF97, HAAR, Plan, plane_levels
from inif.latent.stream import Coder, Rates
from inif.latent.transform import analyse

RATIOS = {1: (24, 64, 160), 2: (40, 110, 300)}
"""Raw bytes over coded ones, by bytes per sample."""

LARGEST = (4, 16, 24, 512, 512)
SMALLEST_SIDE = 48
MOST_PER_SOURCE = 2
STEPS = (350.0, 50000.0)
"""Outside of these, an image is noise or next to nothing."""

UNLIKE = ("holography", "xray", "afm")
"""Modalities that are no light or electron microscopy of life."""


@dataclass(frozen=True)
class Example:
    """Latents of one image at one ratio."""

    file: str
    fold: int
    ratio: int
    plan: Plan
    latents: Latents


def image_of(path: Path) -> tuple[np.ndarray, int]:
    """(C, T, Z, Y, X) float32, each channel from 0 to 65535, and bytes per sample."""
    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        x, axes = series.asarray(), series.axes
    missing = "".join(a for a in "CTZYX" if a not in axes)
    x = x.reshape((1,) * len(missing) + x.shape)
    v = x.transpose([(missing + axes).index(a) for a in "CTZYX"]).astype(np.float32)
    v = v[tuple(slice(n) for n in LARGEST)]
    low = v.min((1, 2, 3, 4), keepdims=True)
    high = v.max((1, 2, 3, 4), keepdims=True)
    return (v - low) * (np.float32(65535) / np.maximum(high - low, 1)), x.itemsize


def candidates(sizes: Sizes) -> list[Plan]:
    """Plans that are worth a look for an image of these lengths."""
    _, times, depths = sizes[:3]
    plane = plane_levels(sizes)
    along_t = [(0, CDF97), (1, CDF97), (1, HAAR), (2, CDF97), (3, CDF97), (4, CDF97)]
    along_z = (
        [(0, CDF97), (1, CDF97), (2, CDF97)]
        if times > 1
        else [(0, CDF97), (1, CDF97), (1, HAAR), (2, CDF97), (2, HAAR), (3, CDF97)]
    )
    return [
        Plan(sizes, (t, z, plane), (kt, kz))
        for (t, kt), (z, kz) in itertools.product(along_t, along_z)
        if (t == 0 or times >= 4 * t) and (z == 0 or depths >= 4 * z) and max(t, z) <= plane
    ]


def likely_plan(x: np.ndarray, step: float) -> Plan:
    """The plan of the least estimate of its bits."""
    sizes = x.shape
    plans = candidates((sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]))

    def estimate(plan: Plan) -> float:
        levels, _ = analyse(x, plan)
        return sum(
            float(np.log2(1 + np.square(c / np.float32(step))).sum())
            for level in levels
            for c in level.values()
        )

    return plans[0] if len(plans) == 1 else min(plans, key=estimate)


def price_of(plan: Plan) -> float:
    """λ: what a bit costs, in squared steps."""
    return 0.08 if plan.sizes[1] == plan.sizes[2] == 1 else 0.1


def chosen(
    x: np.ndarray, plan: Plan, model: _core.Model, sizes: list[float]
) -> Iterator[Latents | None]:
    """Latents for each size in bytes, from large to small; None where none can be had."""
    coefficients = analyse(x, plan)
    step = 1000.0
    for size in sizes:
        # Inside a bracket: sizes of noisy images fall off a cliff with the step.
        least, most = STEPS
        found = None
        for _ in range(8):
            rates = Rates(step, price_of(plan))
            _, latents, bits, _ = Coder(plan, model).encode(coefficients, rates, writes=False)
            off = float(np.log(bits / 8 / size))
            if abs(off) < 0.1:
                found = latents
                break
            least, most = (step, most) if off > 0 else (least, step)
            step *= float(np.exp(np.clip(off / 1.3, -1, 1)))
            if not least < step < most:
                step = (least * most) ** 0.5
        if found is None:
            yield None
        else:
            yield Coder(plan, model).encode(coefficients, rates, most=found, writes=False)[1]


def rows_of(corpus: Path) -> list[dict[str, str]]:
    """The rows of `index.csv` (file, source, fold, modality) that are of use."""
    with (corpus / "index.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["modality"] not in UNLIKE]
    seen: dict[str, int] = {}
    kept = []
    for row in rows:
        seen[row["source"]] = seen.get(row["source"], 0) + 1
        if seen[row["source"]] <= MOST_PER_SOURCE:
            kept.append(row)
    return kept


def gather(corpus: Path, model: _core.Model, threads: int = 2) -> list[Example]:
    """Examples of a corpus, in the order of its index."""

    def of(row: dict[str, str]) -> list[Example]:
        x, item = image_of(corpus / row["file"])
        if min(x.shape[3:]) < SMALLEST_SIDE:
            return []
        plan = likely_plan(x, 4000.0)
        ratios = RATIOS[min(item, 2)]
        found = chosen(x, plan, model, [x.size * item / ratio for ratio in ratios])
        return [
            Example(row["file"], int(row["fold"]), ratio, plan, latents)
            for ratio, latents in zip(ratios, found, strict=True)
            if latents is not None
        ]

    with ThreadPoolExecutor(threads) as pool:
        return list(itertools.chain.from_iterable(pool.map(of, rows_of(corpus))))
