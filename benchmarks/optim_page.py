"""docs/optimizers.md's tables and figure from benchmarks/results/optimizers.json.

python benchmarks/optim_page.py
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optim import NAME, RATES, SWEPT
from record import load
from table import table, wrapped

from inif_bench.drawing import FAINT, INK, png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE, FIGURE = DOCS / "optimizers.md", DOCS / "figures" / "optimizers.png"
BEGIN, END = "<!-- measured -->", "<!-- end of measured -->"
OURS, TUNED = "inif-lopt", "adam:0.001"
COLOURS = {
    "adam": "#0072b2",
    "adamw": "#56b4e9",
    "adamax": "#009e73",
    "muon": "#d55e00",
    "sgd": "#999999",
}
LEAST = 20.0
Cells = dict[tuple[str, int, int, str], float]


def main() -> None:
    result = load(NAME)
    cells = parsed(result["cells"])
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    parts = [BEGIN, *measured(result, cells), END]
    PAGE.write_text(head + "\n\n".join(parts) + tail)
    FIGURE.write_bytes(png(lambda figure: draw(figure, cells), 7.2, 2.8))
    print(PAGE, FIGURE)


def parsed(cells: dict[str, float]) -> Cells:
    """(Image, width, steps, setting) → PSNR, of the settings that all images have in their row."""
    out: Cells = {}
    for key, psnr in cells.items():
        image, width, steps, setting = key.rsplit(" ", 3)
        out[image, int(width), int(steps), setting] = psnr
    images = {key[0] for key in out}
    seen = defaultdict(set)
    for image, *row in out:
        seen[tuple(row)].add(image)
    return {key: v for key, v in out.items() if seen[key[1:]] == images}


def swept_whole(cells: Cells) -> Cells:
    """The cells of the rows (width, steps) in which every setting was run."""
    settings = {key[3] for key in cells}
    found = defaultdict(set)
    for _, width, steps, setting in cells:
        found[width, steps].add(setting)
    return {key: v for key, v in cells.items() if found[key[1:3]] == settings}


def mean(cells: Cells, setting: str, **wanted: int) -> float | None:
    """PSNR in dB over all images, of one width or number of steps where they are named."""
    values = [
        psnr
        for (_, width, steps, name), psnr in cells.items()
        if name == setting and wanted.get("width", width) == width
        if wanted.get("steps", steps) == steps
    ]
    return statistics.fmean(values) if values else None


def best(cells: Cells, among: Iterable[str], **wanted: int) -> tuple[str, float]:
    """The best single setting in the mean."""
    scores = {s: m for s in among if (m := mean(cells, s, **wanted)) is not None}
    name = max(scores, key=lambda s: scores[s])
    return name, scores[name]


def measured(result: dict[str, Any], cells: Cells) -> list[str]:
    """The tables."""
    settings = sorted({key[3] for key in cells})
    swept = [s for s in settings if s.partition(":")[0] in SWEPT]
    images = sorted({key[0] for key in cells})
    free = [s for s in settings if s not in swept]
    rows = []
    for width, steps in sorted({key[1:3] for key in cells}):
        here = {key: v for key, v in cells.items() if key[1:3] == (width, steps)}
        name, top = best(here, swept)
        row: list[Any] = [width, steps, len({k[3] for k in here}), f"{top:.2f} ({name})"]
        rows.append(row + [_db(mean(here, s)) for s in (TUNED, *free)])
    whole = swept_whole(cells)
    name, top = best(whole, swept)
    row = ["those with", "all of them", len(settings), f"{top:.2f} ({name})"]
    rows.append(row + [_db(mean(whole, s)) for s in (TUNED, *free)])
    head = ["width", "steps", "settings", "best single setting", TUNED, *free]
    parts = [
        wrapped(
            f"`{result['command']}` ran on {result['date']}, on {len(images)} images that"
            f" meta-training has not seen ({', '.join(images)}), with {result['points']} random"
            " points a step. Figures are PSNR in dB at the end, as means over images. “Best single"
            " setting” is that of the sweep, chosen with hindsight for each row; in the last row it"
            " is one setting for all rows with the whole sweep."
            + "".join(f" Width {w} ran on {m}." for w, m in result.get("elsewhere", {}).items())
        ),
        table(head, rows),
    ]
    grid = []
    for optimizer in SWEPT:
        of = [mean(whole, f"{optimizer}:{rate:g}") for rate in RATES]
        grid.append([optimizer, *[_db(v) for v in of]])
    parts += [
        "The whole sweep, as PSNR in dB in the mean over its images, widths and steps:",
        table(["learning rate", *[f"{rate:g}" for rate in RATES]], grid),
        "![PSNR against the learning rate](figures/optimizers.png)",
    ]
    ours = {key[:3]: psnr for key, psnr in whole.items() if key[3] == OURS}
    if ours:
        gains = [ours[key[:3]] - v for key, v in whole.items() if key[3] == name]
        sane = sorted(s for s in swept if (mean(whole, s) or 0) > LEAST)
        worst = [min(whole[(*key, s)] for s in sane) for key in ours]
        below = sum(v < w for v, w in zip(ours.values(), worst, strict=True))
        parts.append(
            wrapped(
                f"Cell by cell, `{OURS}` ends {min(gains):+.2f} to {max(gains):+.2f} dB from"
                f" `{name}` and is better in {sum(g > 0 for g in gains)} of {len(gains)} cells. It"
                f" is below the worst of the settings with a mean above {LEAST:.0f} dB in {below}"
                " cells."
            )
        )
    if result.get("small"):
        small = result["small"]
        parts.append(
            wrapped(
                f"On {small['tasks']} random small generated tasks `{OURS}` gained at least"
                f" {small['least_gain_db']} dB over its start, so none diverged."
            )
        )
    if result.get("times"):
        timed = result["times"]
        names = list(next(iter(timed.values())))
        parts += [
            "Milliseconds that a step takes on all cores, measured in turns:",
            table(
                ["width, batch", *names],
                [[w, *[f"{t[n]:.2f}" for n in names]] for w, t in timed.items()],
            ),
        ]
    return parts


def draw(figure: Figure, cells: Cells) -> None:
    """PSNR against the learning rate, one panel per width; optimizers without one as lines."""
    cells = swept_whole(cells)
    widths = sorted({key[1] for key in cells})
    for column, width in enumerate(widths):
        axes = figure.add_subplot(1, len(widths), column + 1)
        for optimizer in SWEPT:
            values = [mean(cells, f"{optimizer}:{rate:g}", width=width) for rate in RATES]
            known = [v for v in values if v is not None]
            if len(known) == len(RATES):
                axes.plot(RATES, known, ".-", color=COLOURS[optimizer], label=optimizer, lw=1)
        for setting, style, colour in ((OURS, "-", INK), ("prodigy:1", "--", FAINT)):
            value = mean(cells, setting, width=width)
            if value is not None:
                axes.axhline(value, color=colour, ls=style, label=setting.partition(":")[0])
        axes.set_xscale("log")
        axes.set_title(f"width {width}")
        axes.set_xlabel("learning rate")
        axes.grid(alpha=0.3)
        if column == 0:
            axes.set_ylabel("PSNR (dB), mean of images and steps")
            axes.legend(fontsize=6, loc="lower left")
    figure.tight_layout()


def _db(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    main()
