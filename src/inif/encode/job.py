"""What is asked for, and the record of it that the file's header will carry."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from inif._version import __version__
from inif.config import FitSettings, ProgressEvent, Target
from inif.container.validate import clean_text
from inif.container.writer import Section
from inif.decode import apart
from inif.decode.brick import Intensities
from inif.decode.check import little_endian
from inif.decode.meta import MAX_OME_BYTES
from inif.encode.interrupt import Interrupt, Progress
from inif.image import Image
from inif.outliers import NO_OUTLIERS, Outliers

_OME_SHARE = 0.01


TINY = 1 << 14
"""Bytes of a file below which its header has no room for what only explains."""

_SHORT = 16
"""Digits that the digest of the samples has there."""


@dataclass(frozen=True)
class Hints:
    """What trials on a sample tell a search on the whole image.

    Attributes
    ----------
    offset
        How much finer than a fast one's the knob of the codec's setting is at the same size, on a
        scale from 0 to 1; None if no trial has measured it.
    begin
        Where a search by the codec's fast setting begins; None for the middle.
    noisy
        Whether the image is mostly noise.
    """

    offset: float | None = None
    begin: float | None = None
    noisy: bool = False


@dataclass(frozen=True)
class Job:
    """One compression: what is asked for, and how.

    Attributes
    ----------
    image
        Checked by `inif.image.check_image`.
    target
        Ratio, size or PSNR; None where the samples are stored exactly and nothing else was asked.
    settings
        Of the fit.
    method
        "siren", "hybrid", "auto" or "lossless".
    effort
        For the record.
    progress
        Called as the work goes on, or None.
    codec
        The codec of a hybrid.
    select
        By what a hybrid's frames are judged, see `inif.encode.select.criterion`.
    share
        Of the bytes of a hybrid that go to a pure field for the rest, 0 to 0.9.
    chosen
        Why this method, where nobody named one; for the record.
    hints
        What trials on a sample have found out about the whole.
    guides
        What guides the fit besides squared error (`inif.guidance.registry`).
    stated
        Ranges to state instead of the image's own, where it is part of a larger one.
    remarks
        What the user must know, for the record; a sentence each.
    outliers
        Samples that are kept exactly; `image` has what is around them in their places.
    original
        The image with its outliers, where it has some.
    interrupt
        Whether the user wants the work to end.
    """

    image: Image
    target: Target | None
    settings: FitSettings
    method: str = "siren"
    effort: int | None = None
    progress: Progress | None = None
    codec: str = "av1"
    select: str = "psnr"
    share: float = 0.0
    chosen: str | None = None
    hints: Hints = Hints()
    guides: tuple[str, ...] = ()
    stated: list[list[float | int]] | None = None
    remarks: tuple[str, ...] = ()
    outliers: Outliers = NO_OUTLIERS
    original: Image | None = None
    interrupt: Interrupt = field(default_factory=Interrupt, compare=False, repr=False)

    @cached_property
    def outlier_section(self) -> bytes:
        """The section of the outliers, empty where there are none."""
        return apart.pack(self.outliers) if len(self.outliers.positions) else b""

    def report(self, event: ProgressEvent) -> None:
        """Say how far the work is.

        Raises
        ------
        KeyboardInterrupt
            The work is to end.
        """
        self.interrupt.check()
        if self.progress:
            self.progress(event)

    @cached_property
    def intensities(self) -> Intensities:
        """How outputs become samples, from the ranges as the header states them."""
        return Intensities(np.array(self.ranges, np.float64), self.image.data.dtype)

    @property
    def asks_quality(self) -> bool:
        """Whether the target is a PSNR."""
        return self.target is not None and self.target.psnr is not None

    @property
    def varied(self) -> bool:
        """Whether any channel has more than one value."""
        return any(low < high for low, high in self.ranges)

    @cached_property
    def ranges(self) -> list[list[float | int]]:
        """Lowest and highest sample of each channel, as the header states them."""
        if self.stated is not None:
            return self.stated
        parts = self.image.each_channel()
        return [_range(part) for part in parts]


def draft_header(job: Job, budget: int) -> dict[str, Any]:
    """What all headers share, with stand-ins for what is known only at the end."""
    image = job.image
    meta = image.meta.to_json()
    lossy: dict[str, Any] = {
        "method": job.method,
        "psnr": 36.123,
        "max_error": 12345 if image.data.dtype.kind != "f" else 0.1234567,
        "seed": job.settings.seed,
        "encoder": f"inif {__version__}",
        "sha256": _digest((job.original or image).data)[: _SHORT if budget < TINY else None],
    }
    if job.target is not None:
        lossy["target"] = job.target.to_json()
    if job.chosen is not None:
        lossy["auto"] = job.chosen
    if job.remarks and budget >= TINY:
        lossy["remarks"] = [clean_text(text) for text in job.remarks]
    if job.settings.keep_partial:
        lossy["stopped"] = "interrupt"
    if job.effort is not None:
        lossy["effort"] = job.effort
    if job.method == "hybrid" and job.select != "psnr":
        lossy["select"] = clean_text(job.select)
    header: dict[str, Any] = {
        "axes": image.axes,
        "shape": list(image.data.shape),
        "dtype": image.data.dtype.name,
        "range": job.ranges,
        "lossy": lossy,
    }
    if meta:
        header["meta"] = _clean(meta)
    return header


def guides_record(guides: Sequence[str], *, short: bool = False) -> list[str]:
    """Guides as the header records them: files by their own name; `short`, by the guide's only."""
    out = []
    for text in guides:
        name, colon, options = text.partition(":")
        if short:
            colon = options = ""
        elif name in ("mask", "perceptual"):
            options = options.replace("\\", "/").rpartition("/")[2]
        out.append(clean_text(name + colon + options))
    return out


def extra_sections(job: Job, budget: int) -> list[Section]:
    """What belongs to the whole file: outliers, and the source's OME-XML where it is small."""
    kept = [Section(apart.KIND, job.outlier_section)] if job.outlier_section else []
    return kept + ome_section(job.image, budget)


def ome_section(image: Image, budget: int) -> list[Section]:
    """The source's OME-XML, whole, where it takes less than 1 % of the budget."""
    if not image.meta.ome_xml:
        return []
    text = image.meta.ome_xml.encode()
    if len(text) > MAX_OME_BYTES:
        return []
    data = zlib.compress(text, 9)
    return [Section(b"OMEX", data)] if len(data) <= _OME_SHARE * budget else []


def _digest(data: np.ndarray) -> str:
    """SHA-256 of the samples, C order, little endian, without a second copy of the image."""
    digest = hashlib.sha256()
    for part in data if data.ndim > 1 else (data,):
        digest.update(little_endian(part))
    return digest.hexdigest()


def _range(samples: np.ndarray) -> list[float | int]:
    """Lowest and highest finite sample; zeros where there is none."""
    low, high = samples.min(), samples.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        finite = samples[np.isfinite(samples)]
        low, high = (finite.min(), finite.max()) if finite.size else (0, 0)
    return [_number(low), _number(high)]


def _number(value: Any) -> float | int:
    """A sample as JSON: floats by the shortest text that gives the same sample."""
    return float(str(value)) if isinstance(value, np.floating) else int(value)


def _clean(value: Any) -> Any:
    """Metadata without control characters, which the format refuses."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean(v) for v in value]
    if isinstance(value, dict):
        return {clean_text(k): _clean(v) for k, v in value.items()}
    return value
