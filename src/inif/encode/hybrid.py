"""The hybrid job: an image and a budget in, a file of standard streams and their repair out.

trial of frame orders with the codec's fast preset → search of the knob with the slow one → streams
shared out between two neighbouring knob values → repair → check → file.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from inif.bricks import BrickGrid
from inif.codecs import load_codec
from inif.codecs.base import Codec
from inif.coding.check import Check
from inif.config import Window
from inif.container.spec import ENTRY_SIZE
from inif.container.writer import Section
from inif.decode import residual
from inif.decode.check import digest
from inif.decode.codec import FEATURE, KIND, BrickData, CodecSpec
from inif.decode.hybrid import HybridBrick
from inif.decode.residual import Residual
from inif.encode import repair
from inif.encode.finish import with_record
from inif.encode.job import TINY, Job, draft_header, extra_sections, guides_record
from inif.encode.plan import SLACK, header_bytes
from inif.encode.select import criterion
from inif.encode.streams import Streams, hybrid_grid, load_of
from inif.encode.tally import Tally
from inif.encode.trial import Trial
from inif.errors import BudgetError
from inif.fields import conditional
from inif.frames import check_planes, from_canon
from inif.image import Image

if TYPE_CHECKING:  # guides need JAX; hybrids do not
    from inif.encode.guided import Guided

_REPAIR_SHARE, _LEAST_OCTAVE = 0.006, 0.05
_FEW, _MORE = 2, 3
"""Encodes (pairs of them, where two are made at once) after which a search takes what is near the
budget, more for small images and at high efforts."""

_SMALL = 1 << 22
"""Raw bytes of a small image."""

_ENCODES = 2.5
"""Of the slow preset that a search takes, about."""


def encode_hybrid(job: Job, window: Window) -> bytes:
    """The file's bytes, as many as the window allows.

    Raises
    ------
    BudgetError
        The codec's smallest streams do not fit.
    InputError
        The image has no planes.
    KeyboardInterrupt
        Ctrl-C, unless the settings keep partial results and there is one.
    """
    draft = Draft.of(job, window)
    streams, room = draft.streams, draft.room()
    try:
        trial = draft.tried()
        room = draft.room()
        codec = streams.variant(draft.codec_for(trial), trial, room)
        patient = job.image.raw_bytes < _SMALL or (job.effort or 3) > 3
        found = streams.search(codec, trial, room, _MORE if patient else _FEW)
        if not found.fits:
            raise draft.too_small(window.most - room + len(found.probe.data))
        codec, found = streams.fuller(codec, trial, room, found)
        chosen = streams.mixed(codec, trial, room)
        return draft.finished(trial.order, chosen, found.probe.value, trial.octave)[0]
    except KeyboardInterrupt:
        kept = streams.worth_keeping(room) if job.settings.keep_partial else None
        if kept is None:
            raise
        job.interrupt.keep()
    draft.codec, order, chosen = kept
    return draft.finished(order, chosen)[0]


@dataclass
class Draft:
    """A hybrid file in the making.

    Attributes
    ----------
    job
        What is asked for.
    codec
        The codec, at the setting of the effort.
    streams
        Of the image.
    header, extra
        Of the file, as far as they are known.
    window
        Sizes that the file may have.
    guided
        What guides the repair besides squared error, or None.
    """

    job: Job
    codec: Codec
    streams: Streams
    header: dict[str, Any]
    extra: list[Section]
    window: Window
    guided: Guided | None

    @classmethod
    def of(cls, job: Job, window: Window) -> Draft:
        """The beginning.

        Raises
        ------
        InputError
            The image has no planes.
        """
        image, budget = job.image, window.most
        check_planes(image.axes, file=image.source, fix="use --method siren")
        codec = load_codec(job.codec).for_effort(job.effort or 3, load_of(job, budget))
        grid = hybrid_grid(image.axes, image.data.shape)
        guided = guides_of(job, grid)
        job = replace(job, guides=guided.names if guided else ())
        header = draft_header(job, budget) | {
            "field": {"kind": conditional.KIND, "start": job.settings.start},
            "codec": CodecSpec(job.codec, "TZ~").to_json(),
            "requires": required(codec),
        }
        if guided:
            names = guides_record(guided.names, short=budget < TINY)
            header["lossy"] |= {"guides": names}
        streams = Streams(job, grid)
        if len(streams.grid) > 1:
            header |= {"brick": list(streams.grid.brick)}
        if budget >= TINY:
            header["lossy"] |= {"knob": codec.knob(streams.frames).start}
        return cls(job, codec, streams, header, extra_sections(job, budget), window, guided)

    def room(self) -> int:
        """Bytes that are left for streams.

        Raises
        ------
        BudgetError
            None.
        """
        overhead = self._overhead()
        if overhead >= self.window.most:
            raise self.too_small(overhead)
        return int((self.window.most - overhead) * (1 - self.job.share))

    def hold(self, streams: list[bytes]) -> None:
        """Let the file be as large as these streams need."""
        need = math.ceil(sum(map(len, streams)) / (1 - self.job.share))
        self.window = Window(0, need + self._overhead())
        self.window = Window(0, need + self._overhead() + SLACK)

    def _overhead(self) -> int:
        bricks = len(self.streams.grid)
        overhead = header_bytes(self.header, self.extra, bricks) + SLACK
        return overhead + self.streams.fixed_bytes + repair_bytes(self.streams, self.window.most)

    def tried(self) -> Trial:
        """The trial of the codec, noted in the header."""
        trial = self.streams.trial(self.codec, self.room())
        self.header["codec"] = CodecSpec(self.job.codec, trial.order).to_json()
        return trial

    def codec_for(self, trial: Trial) -> Codec:
        """The codec at a setting that keeps to the time limit."""
        codec = trial.settled(self.codec)
        limit = self.job.settings.time_limit
        if limit is None:
            return codec
        left = limit - (time.monotonic() - self.streams.begun)
        return codec.within(left / _ENCODES, trial.near.seconds)

    def finished(
        self, order: str, chosen: list[bytes], knob: float | None = None, octave: float = 0.0
    ) -> tuple[bytes, Tally]:
        """The file, and its errors: streams repaired, checked, and brought into the window.

        After Ctrl-C without the repair, and without the field for the rest, which take their time.
        """
        header, streams = self.header, self.streams
        if "knob" in header["lossy"]:
            header["lossy"] |= {"knob": knob}
        spec, stopped = CodecSpec(self.codec.kind, order), self.job.interrupt.kept
        header |= {"codec": spec.to_json(), "requires": required(self.codec)}
        header |= {"field": {"kind": conditional.KIND, "start": self.job.settings.start}}
        bricks = streams.bricks(spec, chosen)
        if stopped:
            header["lossy"]["stopped"] = "interrupt"
        else:
            header["lossy"].pop("stopped", None)
            octave = max(octave, _LEAST_OCTAVE)
            bricks = repaired(streams, bricks, self.window.most, octave, self.guided)
        if not any(r.active for brick in bricks for r in brick.repairs):
            header |= {"field": {"kind": "none"}, "requires": [FEATURE, self.codec.feature]}
            bricks = [replace(brick, start=None, repairs=()) for brick in bricks]
        extra = self.extra
        if self.job.share and not stopped:
            header["requires"] = [*header["requires"], residual.FEATURE]
            share = self.job.share
            left = int(self.room() * share / (1 - share)) - ENTRY_SIZE
            data = fitted_rest(streams, bricks, left)
            extra = [*extra, Section(residual.KIND, data)]
            image = self.job.image
            rest = Residual(data, image.axes, image.data.shape, file=image.source)
            bricks = [
                replace(brick, rest=rest, origin=streams.grid.origin(b))
                for b, brick in enumerate(bricks)
            ]
        return _finish(streams, bricks, header, extra, self.window)

    def too_small(self, smallest: int) -> BudgetError:
        """The error for a budget below what is needed."""
        return BudgetError(
            "the budget does not hold the smallest streams of the codec",
            file=self.job.image.source,
            field="target",
            expected=f"at least {smallest} bytes for this image",
            got=f"{self.window.most} bytes",
            fix="the largest possible ratio is about"
            f" {self.job.image.raw_bytes / smallest:.3g}; --method siren can go further",
        )


def required(codec: Codec) -> list[str]:
    """What a reader must know of a hybrid with a repair."""
    return [FEATURE, codec.feature, conditional.FEATURE]


def repair_bytes(streams: Streams, budget: int) -> int:
    """Bytes set aside for the repair of all bricks."""
    frames = -(-streams.frames // 8)
    per_channel = 4 + most_coefficients(streams, budget) + frames
    return len(streams.grid) * streams.channels * per_channel


def most_coefficients(streams: Streams, budget: int) -> int:
    """How many coefficients per channel the budget can bear."""
    share = _REPAIR_SHARE * budget / (len(streams.grid) * streams.channels)
    return min(12, max(0, int(share) - 4))


def guides_of(job: Job, grid: BrickGrid) -> Guided | None:
    """What guides the repair, or None."""
    if not job.guides:
        return None
    from inif.encode.guided import Guided

    return Guided.of(job, grid)


def repaired(
    streams: Streams,
    bricks: list[HybridBrick],
    budget: int,
    octave: float,
    guided: Guided | None = None,
) -> list[HybridBrick]:
    """The bricks with the repair that pays; frames in which it does not are left plain.

    `octave` is what twice the bytes would gain in the streams, in dB. A guided repair serves more
    than squared error, so by that alone no frame is left plain.
    """
    job = streams.job
    network = conditional.load_start(job.settings.start)
    most = most_coefficients(streams, budget)
    better = criterion(job)
    out = []
    for b, brick in enumerate(bricks):
        streams.report("repair", b, len(bricks))
        peak = brick.spec.codec.peak
        channels = [
            repair.Channel.of(brick.volume(c), peak, target)
            for c, target in enumerate(streams.targets(b))
        ]
        size = sum(map(len, brick.streams))
        repairs = repair.choose(network, channels, most, size, job.settings.seed, octave)
        if guided:
            share = 1 / (len(bricks) * len(channels))
            origin, seed = streams.grid.origin(b), job.settings.seed
            first = brick.channel_start
            repairs = guided.repairs(network, channels, repairs, origin, first, most, share, seed)
        if not guided or job.select != "psnr":
            place = dict(zip(job.image.axes, streams.grid.origin(b), strict=True))
            repairs = repair.keep_or_drop(network, channels, repairs, better, place)
        repairs = repair.without_idle(repairs)
        out.append(replace(brick, start=job.settings.start, repairs=tuple(repairs)))
    return out


def fitted_rest(streams: Streams, bricks: list[HybridBrick], budget: int) -> bytes:
    """A pure field of what the bricks lack, as a file of its own, in units of their outputs.

    Raises
    ------
    BudgetError
        The budget holds no field.
    """
    from inif.encode.pipeline import encode_field

    job = streams.job
    missing = np.empty(job.image.data.shape, np.float32)
    for b, brick in enumerate(bricks):
        targets = streams.targets(b)
        here = np.stack(targets)
        for c, target in enumerate(targets):
            times, depths, height, width = target.shape
            y, x = np.arange(height), np.arange(width)
            for t, z in np.ndindex(times, depths):
                here[c, t, z] = 2 * target[t, z] - 1 - brick.outputs(c, t, z, y, x)
        missing[streams.grid.slices(b)] = from_canon(here, job.image.axes)
    rest = Image(missing, job.image.axes)
    settings = replace(job.settings, time_limit=None)
    small = Job(
        rest, job.target, settings, "siren", job.effort, job.progress, interrupt=job.interrupt
    )
    return encode_field(small, Window.of_size(budget))


def _finish(
    streams: Streams,
    bricks: list[HybridBrick],
    header: dict[str, Any],
    extra: list[Section],
    window: Window,
) -> tuple[bytes, Tally]:
    """Check the decode, and land inside the window."""
    tally, digests = streams.tally(bricks)
    streams.report("check", 1, 1, tally.psnr)
    sections = []
    for b, (brick, crc) in enumerate(zip(bricks, digests, strict=True)):
        check = Check(crc, digest(header, b, [*brick.inputs(), streams.job.outlier_section]))
        data = BrickData(brick.streams, check, brick.repairs)
        sections.append(Section(KIND, data.pack(brick.frames), b))
    facts = tally.facts(each=streams.job.asks_quality)
    file = with_record(header, [*extra, *sections], facts, window)
    if len(file) > window.most:
        raise BudgetError(
            "the file cannot be made to fit this budget",
            file=streams.job.image.source,
            field="target",
            expected=f"at most {window.most} bytes",
            got=f"{len(file)} bytes",
            fix="ask for a slightly smaller ratio",
        )
    return file, tally
