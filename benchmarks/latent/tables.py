"""Train the tables that the coder of latents begins with, on a corpus of images.

CORPUS has `index.csv` (columns file, source, fold, modality) and the images it names. Latents of
each image at three ratios go through one model in random order, twice, slowly; the second time
more slowly. With --fold, images of that fold are left out, and are what the record is about.

    python benchmarks/latent/tables.py CORPUS [--folds | --fold N] [--out FILE] [--record FILE]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from examples import Example, gather
from expectation import samples, weights

from inif.latent import _core
from inif.latent.stream import Coder, Rates
from inif.latent.tables import LIMIT, MOST_SEEN, tuned

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


def trained(examples: Sequence[Example], expectation: np.ndarray) -> _core.Model:
    """A model that has seen the examples, set to code."""
    model = fresh(expectation)
    rng = np.random.default_rng(0)
    for speed in SPEEDS:
        model.tune(LIMIT, speed)
        for i in rng.permutation(len(examples)):
            bits_of(examples[i], model, learns=True)
    model.cap(MOST_SEEN)
    return tuned(model)


def untrained(expectation: np.ndarray) -> _core.Model:
    """A model that has seen nothing; mixing weights then have to learn faster."""
    model = fresh(expectation)
    model.tune(LIMIT, 12)
    return model


def saved(examples: Sequence[Example], bits: np.ndarray, model: _core.Model) -> dict[str, float]:
    """Percent of the bits that a model saves: of all, and the mean of each ratio."""
    less = np.array([bits_of(e, model) for e in examples])
    share = 100 * (1 - less / bits)
    ratios = np.array([e.ratio for e in examples])
    out = {"all": 100 * (1 - less.sum() / bits.sum()), "mean": share.mean()}
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
    parser.add_argument(
        "--folds", action="store_true", help="judge by each fold, of tables without it"
    )
    options = parser.parse_args()
    began = time.process_time()
    examples = gather(options.corpus, untrained(np.zeros((32, 17), np.int32)))
    rng = np.random.default_rng(0)
    rows = [samples(e, rng) for e in examples]
    print(f"{len(examples)} examples, {time.process_time() - began:.0f} s of CPU", flush=True)

    def without(fold: int | None) -> tuple[np.ndarray, _core.Model]:
        kept = [i for i, e in enumerate(examples) if e.fold != fold]
        expectation = weights([rows[i] for i in kept])
        return expectation, trained([examples[i] for i in kept], expectation)

    _, model = without(options.fold)
    data = packed(model)
    options.out.write_bytes(data)
    print(f"{options.out}: {len(data)} bytes", flush=True)

    def judged(fold: int) -> dict[str, Any]:
        own = [e for e in examples if e.fold == fold]
        expectation, other = without(fold)
        bits = np.array([bits_of(e, untrained(expectation)) for e in own])
        found = {
            "examples": len(own),
            "bytes untrained": round(bits.sum() / 8),
            "percent saved by tables of the other folds": saved(own, bits, other),
        }
        if options.fold is None:
            found["percent saved by tables of all folds"] = saved(own, bits, model)
        print(f"fold {fold}: {found}", flush=True)
        return found

    folds = [options.fold] if options.fold is not None else list(range(4)) if options.folds else []
    with ThreadPoolExecutor(2) as pool:
        record = {
            "examples": len(examples),
            "tables": {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()},
            "corpus": hashlib.sha256((options.corpus / "index.csv").read_bytes()).hexdigest(),
            "folds": dict(zip(folds, pool.map(judged, folds), strict=True)),
        }
    record["cpu seconds"] = round(time.process_time() - began)
    options.record.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
