"""Train the start of the conditional field: `cd benchmarks && INIF_DATA=… python -m pretrain`.

Four networks each leave a quarter of the images out and are judged on those; a fifth learns from
all. All go into the package, so that figures for the development images come from networks that
have not seen them. The figures go to results/pretrain.json.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from record import data_dir, images, save

from inif.encode.hybrid.repair import choose, keep_or_drop, without_idle
from inif.encode.hybrid.select import by, by_psnr
from inif.fields.repair import Network, repaired
from inif.io import read_image
from inif_bench.bdrate import bd_rate
from inif_bench.unseen import samples_digest
from pretrain import learn
from pretrain.pairs import PRESET, RATIOS, Pair, bank, pair

FOLDS = (
    ("hipsc_dna_zyx_u16", "bpae_pair_raw_cyx_u8", "bpae_pair_avg_cyx_u8", "codex_5ch_cyx_u16"),
    (
        "embryo_lightsheet_tzyx_u16",
        "microtubules_zyx_u8",
        "speckles_h2ax_cyx_u16",
        "brightfield_focus_zyx_u8",
    ),
    (
        "mitosis_tzcyx_u16",
        "nuclei_pair_low_yx_u16",
        "nuclei_pair_high_yx_u16",
        "sstem_vnc_zyx_u8",
    ),
    (
        "mibi_breast_41ch_cyx_u8",
        "vesicles_zyx_u16",
        "cellpainting_6ch_cyx_u16",
        "brain_zcyx_u16",
    ),
)
COEFFICIENTS = 12

Banks = dict[str, list[tuple[np.ndarray, ...]]]


def ratios(path: Path) -> tuple[int, ...]:
    """Smaller ones for images of 8 bits."""
    return RATIOS[8 if "_u8" in path.name else 16]


def digest(path: Path) -> str:
    """Of an image's samples."""
    return samples_digest(read_image(path).data)


def judged(network: Network, item: Pair) -> dict[str, Any]:
    """PSNR before and after the repair of a pair, in dB, and the bytes that it costs."""
    repairs = choose(network, item.channels, COEFFICIENTS, item.size, 0)
    repairs = without_idle(keep_or_drop(network, item.channels, repairs, by(by_psnr), {}))
    before = after = 0.0
    extra = 0
    for channel, repair in zip(item.channels, repairs, strict=True):
        times, depths, height, width = channel.target.shape
        partner = None if repair.partner is None else item.channels[repair.partner].volume
        head = network.head(np.array(repair.stated)) if repair.active else None
        extra += len(repair.pack(times * depths))
        rows, columns = np.arange(height), np.arange(width)
        for t, z in np.ndindex(times, depths):
            target = channel.target[t, z]
            plane = channel.volume.levels[t, z].astype(np.float32) / np.float32(1023)
            before += -by_psnr(target, plane) / channel.target.size
            if head is not None and t * depths + z not in repair.plain:
                plane = repaired(head, channel.volume, partner, t, z, rows, columns).clip(0, 1)
            after += -by_psnr(target, plane) / channel.target.size
    count = len(item.channels)
    plain, better = (-10 * math.log10(v / count) for v in (before, after))
    return {
        "ratio": item.ratio,
        "bytes": item.size,
        "repair_bytes": extra,
        "psnr": round(plain, 3),
        "gain": round(better - plain, 4),
    }


def main() -> None:
    """Pairs, banks, four folds and the whole, figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", type=Path, required=True, help="folder for encoded pairs")
    parser.add_argument("--out", type=Path, default=Path("../src/inif/fields/networks"))
    parser.add_argument("--left-out", type=Path, default=Path("../bench/src/inif_bench/networks"))
    parser.add_argument("--steps", type=int, default=learn.STEPS)
    parser.add_argument("--folds", default="0123a")
    args = parser.parse_args()
    paths = list(images(data_dir()))
    begun = time.monotonic()
    banks: Banks = {}
    for path in paths:
        name = path.name.removesuffix(".ome.tif")
        items = [pair(path, ratio, args.cache) for ratio in ratios(path)]
        banks[name] = [bank(item, i) for i, item in enumerate(items)]
        print(f"{time.monotonic() - begun:6.0f} s {name}", flush=True)
    rows: dict[str, Any] = {}
    for fold in args.folds:
        out = set(FOLDS[int(fold)]) if fold != "a" else set()
        known = {name: b for name, b in banks.items() if name not in out}
        network = learn.finished(learn.train(known, args.steps, 1), known)
        args.out.mkdir(exist_ok=True)
        name = "a" if fold == "a" else f"a{fold}"
        arrays = {k: np.asarray(v, np.float16) for k, v in vars(network).items() if k != "layers"}
        folder = args.out if fold == "a" else args.left_out
        np.savez_compressed(folder / f"{name}.npz", **arrays)
        for path in paths:
            image = path.name.removesuffix(".ome.tif")
            if image not in out:
                continue
            cells = [judged(network, pair(path, r, args.cache)) for r in ratios(path)]
            rows[image] = {"start": name, "cells": cells, "bd_rate": bd(cells)}
            gains = [(c["psnr"], c["gain"], c["repair_bytes"]) for c in cells]
            print(image, rows[image]["bd_rate"], gains, flush=True)
    digests = {path.name.removesuffix(".ome.tif"): digest(path) for path in paths}
    left_out = {f"a{i}": {n: digests[n] for n in sorted(ns)} for i, ns in enumerate(FOLDS)}
    (args.left_out / "left_out.json").write_text(json.dumps(left_out, indent=1) + "\n")
    if args.folds == "0123a":
        save("pretrain", {"codec": f"SVT-AV1 preset {PRESET}", "steps": args.steps, "images": rows})


def bd(cells: list[dict[str, Any]]) -> float | str:
    """Bytes at equal PSNR against the codec alone, in per cent."""
    before = [(c["bytes"], c["psnr"]) for c in cells]
    after = [(c["bytes"] + c["repair_bytes"], c["psnr"] + c["gain"]) for c in cells]
    result = bd_rate(before, after)
    return result if isinstance(result, str) else round(result.percent, 2)


if __name__ == "__main__":
    main()
