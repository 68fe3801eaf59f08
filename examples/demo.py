"""What `make demo` runs: compress a real stack, decode it, judge it, and draw what was lost.

Every line of it is the public API, so it doubles as an example.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rich.console import Console

import inif
from inif.cli.progress import progress_bar
from inif.metrics.figure import figure
from inif.metrics.text import render

HERE = Path(__file__).resolve().parent
IMAGE = HERE / "hipsc_dna_zyx_u16.ome.tif"
OUT = HERE.parent / "demo-out"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--ratio", type=float, default=128)
    options.add_argument("--effort", type=int, default=1)
    args = options.parse_args()

    console = Console()
    OUT.mkdir(exist_ok=True)
    target = OUT / "demo.inif"

    console.print(
        f"[bold]1. compress[/] {IMAGE.name} at {args.ratio:g} : 1, effort {args.effort} …"
    )
    start = time.perf_counter()
    with progress_bar(quiet=False) as progress:
        inif.compress(
            IMAGE,
            out=target,
            overwrite=True,
            ratio=args.ratio,
            effort=args.effort,
            progress=progress,
        ).close()
    console.print(f"   {target.name}, {time.perf_counter() - start:.0f} s\n")

    console.print("[bold]2. judge[/] the decoded image against the original")
    result = inif.evaluate(IMAGE, target)
    console.print(render(result))

    picture = OUT / "figure.png"
    figure(result, picture, overwrite=True)
    shown = picture.relative_to(HERE.parent)
    console.print(f"[bold]3. see[/] original, decoded and residual: {shown}\n")

    start = time.perf_counter()
    with inif.open(target) as file:
        middle = tuple(
            n // 2 if axis in "TCZ" else slice(None)
            for axis, n in zip(file.axes, file.shape, strict=True)
        )
        part = file[middle]
        took = time.perf_counter() - start
        console.print(
            f"[bold]4. decode a part[/] one plane of {' × '.join(map(str, part.shape))} out of "
            f"{' × '.join(map(str, file.shape))}: {1000 * took:.0f} ms, opening included\n"
        )

    facts = inif.verify(target)
    console.print(f"[bold]5. verify[/] {'good' if facts['ok'] else facts['problems']}")
    if not facts["ok"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
