"""Train the tables that the coder of latents begins with, on a corpus of images.

CORPUS has `index.csv` (columns file, source, fold, modality) and the images it names. Latents of
each image at three ratios go through one model in random order, twice, slowly; the second time
more slowly. With --fold, images of that fold are left out, and are what the record is about.

    python benchmarks/latent/tables.py CORPUS [--fold N] [--out FILE] [--record FILE]
"""

from __future__ import annotations

import argparse
import json
import lzma
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from examples import Example, gather
from expectation import samples, weights

from inif.latent import _core
from inif.latent.stream import Coder, Rates
from inif.latent.tables import MOST_SEEN, tuned

ROOT = Path(__file__).parents[2]
OUT = ROOT / "src/inif/latent/tables.xz"
RECORD = ROOT / "benchmarks/results/latent_tables.json"
SPEEDS = (3, 1)
"""Of the mixing weights, for each time that the examples are seen."""


def fresh(expectation: np.ndarray) -> _core.Model:
    """A model that knows nothing but what neighbours let expect."""
    model = _core.Model()
    model.expect(expectation)
    return model


def bits_of(example: Example, model: _core.Model, *, learns: bool = False) -> float:
    """Bits of an example's latents; the model learns from them or stays as it is."""
    coder = Coder(example.plan, model, shared=learns)
    return coder.encode(None, Rates(1.0), most=example.latents, writes=False)[2]


def trained(examples: Sequence[Example]) -> _core.Model:
    """A model that has seen the examples."""
    model = fresh(weights(samples(examples)))
    rng = np.random.default_rng(0)
    for speed in SPEEDS:
        model.tune(1000, speed)
        for i in rng.permutation(len(examples)):
            bits_of(examples[i], model, learns=True)
    model.cap(MOST_SEEN)
    return model


def total(examples: Sequence[Example], model: _core.Model) -> float:
    """Bytes of all examples, each coded by itself."""
    return sum(bits_of(example, model) for example in examples) / 8


def saved(examples: Sequence[Example], old: _core.Model, new: _core.Model) -> dict[str, float]:
    """Share of the bytes that another model saves: of all, and the mean by ratio."""
    before = np.array([bits_of(e, old) for e in examples])
    after = np.array([bits_of(e, new) for e in examples])
    share = 100 * (1 - after / before)
    ratios = np.array([e.ratio for e in examples])
    out = {"all bytes": 100 * (1 - after.sum() / before.sum()), "mean": share.mean()}
    out |= {f"mean at {r}": share[ratios == r].mean() for r in sorted(set(ratios.tolist()))}
    return {name: round(float(value), 2) for name, value in out.items()}


def packed(model: _core.Model) -> bytes:
    """Tables as they are shipped."""
    return lzma.compress(model.store(), preset=9 | lzma.PRESET_EXTREME)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--fold", type=int, help="leave this fold out, and judge by it")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--folds", action="store_true", help="also train without each fold")
    options = parser.parse_args()
    began = time.process_time()
    untrained = _core.Model()
    untrained.tune(1000, 12)
    examples = gather(options.corpus, untrained)
    model = tuned(trained([e for e in examples if e.fold != options.fold]))
    data = packed(model)
    options.out.write_bytes(data)
    print(f"{options.out}: {len(data)} bytes, {len(examples)} examples")
    record = {"examples": len(examples), "compressed bytes": len(data), "folds": {}}
    folds = [options.fold] if options.fold is not None else range(4) if options.folds else []
    for fold in folds:
        kept = [e for e in examples if e.fold != fold]
        judged = [e for e in examples if e.fold == fold]
        other = model if options.fold is not None else tuned(trained(kept))
        start = fresh(weights(samples(kept)))
        start.tune(1000, 12)
        record["folds"][fold] = {
            "examples": len(judged),
            "bytes untrained": round(total(judged, start)),
            "percent saved by the other folds": saved(judged, start, other),
        }
        if options.fold is None:
            record["folds"][fold]["percent saved by all folds"] = saved(judged, start, model)
        print(fold, json.dumps(record["folds"][fold]), flush=True)
    record["cpu seconds"] = round(time.process_time() - began)
    options.record.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
