"""Are tuned heads of LPIPS better than the published ones? INIF_DATA=… python perceptual.py.

Images are left out a quarter at a time (the folds of `pretrain`); heads tuned on the rest are
compared with the published ones on the slices left out, by Spearman's correlation over all
versions of a slice: of distance and damage (what heads are tuned for), of its two parts, lost
detail (task `frc`) and 1 - SSIM, and of 1 - IoU of Otsu masks, which nothing was tuned for; and the
same with versions that HEVC made, which tuning never saw. With --out the heads from all images are
written. The figures go to results/perceptual.json.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from pretrain.__main__ import FOLDS
from record import data_dir, images, save

from inif.codecs import load_codec
from inif.guidance.distort import damage, detail_lost, distorted, structure_lost
from inif.guidance.tune import Settings, judged, ranks, slices_of, spearman, tune
from inif.io import read_image
from inif.metrics.tasks import MaskTask, Otsu, Unit
from inif.perceptual import weights
from inif.perceptual.lpips import Lpips, differences

QUALITIES = (20, 26, 32, 38, 44)


def coded(plane: np.ndarray) -> list[np.ndarray]:
    """A slice as HEVC leaves it at several qualities."""
    codec = load_codec("hevc", preset="medium")
    levels = np.rint(codec.peak * plane[None]).astype(np.uint16)
    decoded = [codec.decode(codec.encode(levels, q), levels.shape)[0] for q in QUALITIES]
    return [d.astype(np.float32) / codec.peak for d in decoded]


def mask_lost(plane: np.ndarray, worse: np.ndarray) -> float:
    """1 - IoU of the masks above Otsu's threshold of the slice."""
    task = MaskTask("mask", Otsu())
    unit = Unit(plane, (0.0, 1.0), {})
    score = task.figures([task.compare(task.reference(unit), worse)]).score
    return 1 - (1.0 if score is None else score)


MEASURES = {
    "damage": damage,
    "detail": detail_lost,
    "ssim": structure_lost,
    "mask": mask_lost,
}


class Slice:
    """A slice: versions as tuning sees them, those with HEVC's, and each measure of both."""

    def __init__(self, model: Lpips, plane: np.ndarray, seed: Sequence[int]) -> None:
        self.item = judged(model, plane, np.random.default_rng(seed))
        if self.item is None:
            return
        versions = [w for _, w in distorted(plane, np.random.default_rng(seed))]
        extra = coded(plane)
        first = jnp.asarray(2 * plane[None] - 1)
        changes = [
            np.asarray(differences(model, first, jnp.asarray(2 * w[None] - 1))) for w in extra
        ]
        self.change = np.concatenate([self.item.change, *changes])
        self.measures = {
            name: np.array([measure(plane, w) or 0.0 for w in (*versions, *extra)])
            for name, measure in MEASURES.items()
        }

    def figures(self, heads: Any) -> dict[str, float]:
        """Spearman's correlations of distances and measures."""
        distance = self.change @ np.concatenate([np.asarray(h) for h in heads])
        count = len(self.item.kinds) if self.item else 0
        found = {n: spearman(distance[:count], m[:count]) for n, m in self.measures.items()}
        found |= {f"{n}_with_hevc": spearman(distance, m) for n, m in self.measures.items()}
        return found


def figures(heads: Any, slices: list[Slice]) -> dict[str, float]:
    """Means over the slices of an image."""
    rows = [s.figures(heads) for s in slices]
    within = ranks(heads, [s.item for s in slices if s.item])["within"]
    return {n: float(np.mean([r[n] for r in rows])) for n in rows[0]} | {"within_kinds": within}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--slices", type=int, default=4)
    parser.add_argument("--hold", type=float, default=Settings.hold)
    given = parser.parse_args()
    settings = Settings(slices=given.slices, hold=given.hold)
    model, begun = weights.load(), time.monotonic()
    by_image: dict[str, list[Slice]] = {}
    for n, path in enumerate(images(data_dir())):
        planes = slices_of(read_image(str(path)), settings.slices)
        made = [Slice(model, p, [settings.seed, n, k]) for k, p in enumerate(planes)]
        by_image[path.name.split(".")[0]] = [s for s in made if s.item]
        print(path.name, len(planes), f"{time.monotonic() - begun:.0f} s", flush=True)
    rows, per_image = [], {}
    for fold in FOLDS:
        left = {name: by_image[name] for name in fold}
        rest = [s.item for name, some in by_image.items() if name not in fold for s in some]
        heads = tune(model, rest, settings)
        for name, slices in left.items():
            row = {"published": figures(model.heads, slices), "tuned": figures(heads, slices)}
            per_image[name] = {k: {f: round(x, 4) for f, x in v.items()} for k, v in row.items()}
            rows.append(row)
    means = {
        which: {f: round(float(np.mean([r[which][f] for r in rows])), 4) for f in rows[0][which]}
        for which in ("published", "tuned")
    }
    better = {f: sum(r["tuned"][f] > r["published"][f] for r in rows) for f in rows[0]["published"]}
    body = {
        "about": "Spearman's correlation on images left out; means over images",
        "slices": {name: len(s) for name, s in by_image.items()},
        "settings": {"slices": settings.slices, "steps": settings.steps, "hold": settings.hold},
        "means": means,
        "images_better": better,
        "images": per_image,
        "seconds": round(time.monotonic() - begun),
    }
    if given.out:
        every = [s.item for some in by_image.values() for s in some]
        weights.save_heads(tune(model, every, settings), given.out, "benchmarks/perceptual.py")
    print(save("perceptual", body), means, better)


if __name__ == "__main__":
    main()
