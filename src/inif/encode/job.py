"""What is asked for, and the record of it that the file's header will carry."""

from __future__ import annotations

import time
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from inif._version import __version__
from inif.axes import slot_axes
from inif.config import FitSettings, ProgressEvent, Target
from inif.container.spool import Spool
from inif.container.validate import clean_text
from inif.container.writer import Section
from inif.decode import apart
from inif.decode.brick import Intensities
from inif.decode.meta import MAX_OME_BYTES
from inif.encode.interrupt import Interrupt, Progress
from inif.encode.survey import Range, Survey, survey
from inif.errors import RemarkWarning
from inif.image import ImageSource

_OME_SHARE = 0.01


TINY = 1 << 14
"""Bytes of a file below which its header has no room for what only explains."""

_SHORT = 16
"""Digits that the digest of the samples has there."""


@dataclass(frozen=True)
class Job:
    """One compression: what is asked for, and how.

    Attributes
    ----------
    image
        Checked by `inif.image.check_image`; it is read region by region.
    target
        Ratio, size or PSNR; None where the samples are stored exactly and nothing else was asked.
    settings
        Of the fit.
    method
        "siren", "hybrid", "latent", "auto" or "lossless".
    effort
        1 … 9, for the record and for what the settings do not say.
    progress
        Called as the work goes on, or None.
    codec
        Of a hybrid.
    select
        By what a hybrid's frames are judged, see `inif.encode.hybrid.select.criterion`.
    share
        Of the bytes of a hybrid that go to a pure field for the rest, 0 to 0.9.
    chosen
        Why this method, where nobody named one; for the record.
    guides
        What guides the fit besides squared error (`inif.guidance.guides`).
    remarks
        What the user must know, for the record; a sentence each.
    surveyed
        What a pass over the image has found; its `image` has what is around outliers in their
        places, and is what is coded. None: a pass is made when it is first needed.
    memory
        Bytes that bricks that are coded at once may take, about.
    spool
        Where sections wait for their file; None for memory.
    interrupt
        Whether the user wants the work to end.
    stages
        When each stage was first heard of, by `time.monotonic`.
    """

    image: ImageSource
    target: Target | None
    settings: FitSettings
    method: str = "siren"
    effort: int | None = None
    progress: Progress | None = None
    codec: str = "av1"
    select: str = "psnr"
    share: float = 0.0
    chosen: str | None = None
    guides: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    surveyed: Survey | None = None
    memory: int = 1 << 30
    spool: Spool | None = field(default=None, compare=False, repr=False)
    interrupt: Interrupt = field(default_factory=Interrupt, compare=False, repr=False)
    stages: dict[str, float] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def outlier_section(self) -> bytes:
        """The section of the outliers, empty where there are none."""
        outliers = self.survey.outliers
        return apart.pack(outliers) if len(outliers.positions) else b""

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

    def step(self, stage: str, done: int, of: int, psnr: float | None = None) -> None:
        """The same in numbers: so many steps of a stage are done."""
        now = time.monotonic()
        since = self.stages.setdefault(stage, now)
        left = (now - since) / (done - 1) * (of - done) if done > 1 else None
        self.report(ProgressEvent(stage, done, of, psnr, now - since, left))

    def warn(self, text: str) -> None:
        """Tell the user something of the image, by its name where it has one."""
        about = f"{self.image.source}: " if self.image.source else ""
        warnings.warn(about + text, RemarkWarning, stacklevel=3)

    def keeps(self) -> bool:
        """Whether, after Ctrl-C, what there is is kept; then the work goes on to finish it."""
        if self.settings.keep_partial:
            self.interrupt.keep()
        return self.settings.keep_partial

    def keep(self, kind: bytes, data: bytes, brick: int, level: int = 0) -> Section:
        """A section of a brick, whose payload waits in the spool if there is one."""
        return Section(kind, self.spool.keep(data) if self.spool else data, brick, level)

    @cached_property
    def survey(self) -> Survey:
        """What a pass over the image has found."""
        return self.surveyed or survey(self.image, exact=self.target is None)

    @property
    def coded(self) -> ImageSource:
        """The image as it is coded: without its outliers."""
        return self.survey.image

    @cached_property
    def intensities(self) -> Intensities:
        """How outputs become samples, from the ranges as the header states them."""
        return Intensities(np.array(self.ranges, np.float64), self.image.dtype)

    @property
    def asks_quality(self) -> bool:
        """Whether the target is a PSNR."""
        return self.target is not None and self.target.psnr is not None

    @property
    def varied(self) -> bool:
        """Whether any channel has more than one value."""
        return any(low < high for low, high in self.ranges)

    @property
    def ranges(self) -> list[Range]:
        """Lowest and highest sample of each channel, as the header states them."""
        return self.survey.ranges


def draft_header(job: Job, budget: int) -> dict[str, Any]:
    """What all headers share, with stand-ins for what is known only at the end."""
    image = job.image
    meta = image.meta.to_json()
    if any(job.survey.windows):
        meta["windows"] = [None if one is None else list(one) for one in job.survey.windows]
    lossy: dict[str, Any] = {
        "method": job.method,
        "psnr": 36.198,
        "max_error": 57024 if image.dtype.kind != "f" else 1.7302946e-05,
        "seed": job.settings.seed,
        "encoder": f"inif {__version__}",
        "sha256": job.survey.digest[: _SHORT if budget < TINY else None],
    }
    if job.target is not None:
        lossy["target"] = job.target.to_json()
    if job.chosen is not None:
        lossy["auto"] = job.chosen
    last = {image.axes[i].lower(): image.shape[i] - 1 for i in slot_axes(image.axes)}
    if job.method != "lossless" and budget >= TINY and any(last.values()):
        lossy["worst_slice"] = last | {"psnr": 36.19}
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
        "shape": list(image.shape),
        "dtype": image.dtype.name,
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


def ome_section(image: ImageSource, budget: int) -> list[Section]:
    """The source's OME-XML, whole, where it takes less than 1 % of the budget."""
    if not image.meta.ome_xml:
        return []
    text = image.meta.ome_xml.encode()
    if len(text) > MAX_OME_BYTES:
        return []
    data = zlib.compress(text, 9)
    return [Section(b"OMEX", data)] if len(data) <= _OME_SHARE * budget else []


def _clean(value: Any) -> Any:
    """Metadata without control characters, which the format refuses."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean(v) for v in value]
    if isinstance(value, dict):
        return {clean_text(k): _clean(v) for k, v in value.items()}
    return value
