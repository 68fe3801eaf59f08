"""What became of one file of many, and the table, CSV and JSON lines of all of them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

DONE, SKIPPED, FAILED, MEASURED, PLANNED = "done", "skipped", "failed", "measured", "planned"

COMPRESSED = (
    "input",
    "series",
    "output",
    "status",
    "raw_bytes",
    "file_bytes",
    "ratio",
    "psnr",
    "max_error",
    "worst_slice",
    "worst_slice_psnr",
    "remarks",
    "seconds",
    "error",
)
"""What the summary of ``inif compress`` has of every image, in this order."""

EVALUATED = (
    "input",
    "series",
    "output",
    "status",
    "raw_bytes",
    "file_bytes",
    "ratio",
    "psnr",
    "ssim",
    "max_error",
    "worst_slice",
    "worst_slice_psnr",
    "look_twice",
    "seconds",
    "error",
)
"""What the summary of ``inif evaluate`` has."""


@dataclass(frozen=True)
class Result:
    """What became of one image.

    Attributes
    ----------
    input, series
        The path, and the number of the image where its file holds several.
    output
        The ``.inif`` file; None where there is none.
    status
        "done" or "measured"; "skipped", because the output was there already; "failed", and `error`
        says why; "planned" by a dry run.
    raw_bytes, file_bytes, ratio
        Bytes of the samples, bytes of the file, and the one over the other.
    psnr
        In dB; None where it is not known, and where every sample is exact (`max_error` is 0 then).
    max_error
        By how much any sample is off.
    worst_slice, worst_slice_psnr
        The plane with the lowest PSNR, and that in dB.
    remarks
        What the user must know, a sentence each.
    seconds
        The work took.
    ssim, look_twice
        Of evaluations: see `inif.metrics.evaluation.Evaluation`; what `look_twice` holds are its
        warnings.
    """

    input: str
    output: str | None
    status: str
    series: int | None = None
    raw_bytes: int | None = None
    file_bytes: int | None = None
    psnr: float | None = None
    max_error: float | None = None
    worst_slice: str | None = None
    worst_slice_psnr: float | None = None
    remarks: tuple[str, ...] = ()
    seconds: float | None = None
    error: str | None = None
    ssim: float | None = None
    look_twice: tuple[str, ...] = ()

    @property
    def ratio(self) -> float | None:
        """Raw bytes over bytes of the file; None without a file."""
        if not self.raw_bytes or not self.file_bytes:
            return None
        return self.raw_bytes / self.file_bytes

    def to_json(self, columns: Sequence[str] = COMPRESSED) -> dict[str, Any]:
        """The facts of these columns; names of files as they can be printed."""
        return {name: _plain(getattr(self, name)) for name in columns}


@dataclass(frozen=True)
class Totals:
    """All results summed up: images by what became of them, and their bytes.

    Attributes
    ----------
    counts
        Images by status.
    others
        Files in the folders that are no images.
    raw_bytes, file_bytes
        Of all images that have a file.
    seconds
        From beginning to end.
    interrupted
        Whether Ctrl-C ended the work.
    """

    counts: Counter[str]
    others: int
    raw_bytes: int
    file_bytes: int
    seconds: float
    interrupted: bool = False

    @classmethod
    def of(
        cls, results: Iterable[Result], others: int, seconds: float, *, interrupted: bool = False
    ) -> Totals:
        """The sums of some results."""
        results = list(results)
        whole = [(r.raw_bytes, r.file_bytes) for r in results if r.raw_bytes and r.file_bytes]
        counts = Counter(r.status for r in results)
        raw, size = (sum(pair[i] for pair in whole) for i in (0, 1))
        return cls(counts, others, raw, size, seconds, interrupted)

    def to_json(self, *statuses: str) -> dict[str, Any]:
        """The last line of ``--json``; every one of `statuses` is counted."""
        return {
            "totals": {name: self.counts[name] for name in statuses},
            "others": self.others,
            "raw_bytes": self.raw_bytes,
            "file_bytes": self.file_bytes,
            "ratio": self.raw_bytes / self.file_bytes if self.file_bytes else None,
            "seconds": round(self.seconds, 3),
            "interrupted": self.interrupted,
        }


def printable(text: str) -> str:
    """A name in one line that any terminal and any JSON can hold: what is odd is escaped."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def as_csv(results: Sequence[Result], columns: Sequence[str]) -> bytes:
    """A table with a head, UTF-8; sentences of one cell are joined by " | "."""
    out = io.StringIO(newline="")
    table = csv.writer(out)
    table.writerow(columns)
    for result in results:
        body = result.to_json(columns)
        cells = (body[name] for name in columns)
        table.writerow([" | ".join(c) if isinstance(c, list) else c for c in cells])
    return out.getvalue().encode()


def as_json_lines(results: Sequence[Result], columns: Sequence[str]) -> bytes:
    """One JSON object per image and line, UTF-8."""
    lines = (json.dumps(r.to_json(columns), ensure_ascii=False) for r in results)
    return "".join(f"{line}\n" for line in lines).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
