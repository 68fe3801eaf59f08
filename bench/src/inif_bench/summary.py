"""What tables and figures share: records by image and arm, how values are written, the summary."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median
from typing import Any

from inif_bench.compare import (
    Comparison,
    Shared,
    arms_of,
    common_ratios,
    compare,
    images_of,
    ratios_of,
    shared_at,
)
from inif_bench.store import Record

NONE = "–"


@dataclass(frozen=True)
class View:
    """The records of a benchmark, looked at in the ways that tables need.

    Attributes
    ----------
    records
        All of them.
    """

    records: Sequence[Record]

    @cached_property
    def comparison(self) -> Comparison:
        """BD-rates and crossings."""
        return compare(self.records)

    @cached_property
    def every_arm(self) -> list[dict[str, Any]]:
        """The arms, in the order of tables."""
        return [r.arm for r in arms_of(self.records)]

    @cached_property
    def arms(self) -> list[dict[str, Any]]:
        """The lossy arms, in the order of tables."""
        return [arm for arm in self.every_arm if arm["family"] != "lossless"]

    @cached_property
    def images(self) -> list[dict[str, Any]]:
        """The images, by kind and name."""
        return images_of(self.records)

    @cached_property
    def _index(self) -> dict[tuple[str, str], Record]:
        return {(r.image["name"], r.arm["name"]): r for r in self.records}

    def record(self, image: str, arm: str) -> Record | None:
        """What is known of an arm on an image."""
        return self._index.get((image, arm))

    def ratios(self, image: str | None = None) -> list[float]:
        """Target ratios of an image, or those that all images share."""
        if image is None:
            return common_ratios(self.records)
        return ratios_of(r for r in self.records if r.image["name"] == image)

    def cell(self, image: str, arm: str, ratio: float) -> dict[str, Any] | None:
        """One cell, whatever its status; None where it was not run."""
        record = self.record(image, arm)
        return record.cells.get(f"{ratio:g}") if record else None

    def met(self, image: str, arm: str, ratio: float) -> dict[str, Any] | None:
        """One cell, if its file met the target."""
        record = self.record(image, arm)
        return record.met().get(ratio) if record else None

    def shared(self, ratio: float) -> Shared:
        """Arms and images that can be averaged at a ratio."""
        return shared_at(self.records, ratio)

    def scored(self, arm: str) -> list[tuple[float, dict[str, Any]]]:
        """(raw megabytes, cell) of every scored file of an arm."""
        return [
            (record.image["raw_bytes"] / 1e6, cell)
            for record in self.records
            if record.arm["name"] == arm
            for cell in record.scored().values()
        ]


def summary_table(records: Sequence[Record]) -> str:
    """The table of the summary: one row per arm, and what its numbers mean."""
    view = View(records)
    ratios = view.ratios()
    shares = {ratio: view.shared(ratio) for ratio in ratios}
    head = [
        "arm",
        *(f"{ratio:g}×, dB ({plural(len(shares[ratio].images), 'image')})" for ratio in ratios),
        "encode, s/MB",
        "decode, MB/s",
    ]
    rows = []
    for arm in view.arms:
        name = arm["name"]
        psnrs = [_mean_psnr(view, name, ratio, shares[ratio]) for ratio in ratios]
        rows.append([arm["title"] + fit_time(view, name), *psnrs, *speed(view, name)])
    return f"{table(head, rows)}\n\n{_summary_note(len(view.images))}"


def fit_time(view: View, arm: str) -> str:
    """How long an arm's fits were allowed to take, where they had a limit; else nothing."""
    limits = sorted({cell["seconds"] for _, cell in view.scored(arm) if cell.get("seconds")})
    if not limits:
        return ""
    return f" ({'–'.join(f'{s:g}' for s in sorted({limits[0], limits[-1]}))} s per fit)"


def speed(view: View, arm: str) -> tuple[str, str]:
    """Median seconds of one encode per raw megabyte, and median raw megabytes decoded a second."""
    scored = view.scored(arm)
    encode = [cell["encode_s"] / size for size, cell in scored]
    decode = [size / cell["decode_s"] for size, cell in scored if cell["decode_s"] > 0]
    return digits(median(encode)) if encode else NONE, digits(median(decode)) if decode else NONE


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_escape(cell) for cell in line) + " |" for line in lines)


def prose(text: str, indent: str = "") -> str:
    """A paragraph in lines of at most 100 characters; all but the first indented."""
    return textwrap.fill(
        text, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def percent(value: float) -> str:
    """A percentage with its sign, whole from 100 % on."""
    places = 0 if abs(value) >= 100 else 1
    return f"{value:+.{places}f} %".replace("-", "−").replace("+0.0", "0.0").replace("−0.0", "0.0")


def digits(value: float) -> str:
    """A number to two digits that matter, or whole."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def plural(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def has_panel(view: View, image: str) -> bool:
    """Whether there are crops to show of an image."""
    records = [r for r in view.records if r.image["name"] == image]
    return any("crop_png" in cell for r in records for cell in r.met().values())


def figure_name(kind: str, image: str = "") -> str:
    """File name of a figure: "rd", "panel" or "box", of one image or of all."""
    return "-".join(["bench", kind, *re.findall(r"[A-Za-z0-9]+", image)]) + ".png"


def _mean_psnr(view: View, arm: str, ratio: float, share: Shared) -> str:
    if arm not in share.arms or not share.images:
        tried = [view.cell(image["name"], arm, ratio) for image in view.images]
        scored = [cell for cell in tried if cell is not None and "psnr" in cell]
        return f"{NONE} ({share.met[arm]} of {len(scored)})" if scored else NONE
    cells = [view.met(image, arm, ratio) for image in share.images]
    return f"{fmean(cell['psnr'] for cell in cells if cell):.2f}"


def _summary_note(images: int) -> str:
    return prose(
        "A PSNR is the mean over those images on which every arm with a number met the target; the"
        f" head says how many of {plural(images, 'image')} these are. “– (3 of 16)” means that the"
        " arm met the target on 3 of 16 images, which is too few for a mean. Times are medians over"
        " all files: of decoding, and of one encode at the final setting without the search for it."
    )


def _escape(cell: object) -> str:
    return str(cell).replace("|", "\\|").replace("\n", " ")
