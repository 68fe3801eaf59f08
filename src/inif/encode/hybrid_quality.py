"""A hybrid file of a quality: every channel that varies has it, and hardly more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inif.config import Window
from inif.encode.hybrid import Draft
from inif.encode.job import Job
from inif.encode.settle import NEAR, Settler
from inif.errors import BudgetError

TOLERANCE = 0.3
"""How much better than asked for a channel may be, in dB."""

_ROUNDS = 3
_GUESS, _LEAST = 64, 4096
"""Ratio of raw bytes to a file's, and its bytes at least, where nothing is known."""


@dataclass(frozen=True)
class Reached:
    """A file, and what it reaches.

    Attributes
    ----------
    data
        The file.
    channels
        PSNR in dB of each channel that varies.
    """

    data: bytes
    channels: dict[int, float]

    def beyond(self, decibels: float) -> list[int]:
        """The channels that are better than the tolerance allows."""
        return [c for c, value in self.channels.items() if value > decibels + TOLERANCE]


def encode_hybrid_quality(
    job: Job,
    decibels: float,
    found: list[Reached],
    budget: int | None = None,
    begin: Mapping[int, float] | None = None,
) -> None:
    """Add to `found` the files that reach a quality in every channel that varies.

    The repair makes most channels a little better, by what is known only after it; so the streams
    are searched again for what is then too much or too little.

    Parameters
    ----------
    budget, begin
        Bytes that the file will take, and where the search of each channel's knob begins, from 0
        to 1, where a sample has told.

    Raises
    ------
    BudgetError
        The codec cannot reach it.
    InputError
        The image has no planes.
    """
    guess = max(job.image.raw_bytes // _GUESS, _LEAST)
    draft = Draft.of(job, Window(0, max(budget or guess, _LEAST)))
    streams, trial = draft.streams, draft.tried()
    codec = streams.variant(draft.codec_for(trial), trial, draft.room())
    settler, knob = Settler(streams, codec, trial.order), codec.knob(streams.frames)
    varied = [c for c, (low, high) in enumerate(job.ranges) if low < high]
    first = knob.to_unit(trial.near.value)
    units = {c: min(max((begin or {}).get(c, first), 0.0), 1.0) for c in varied}
    goals = dict.fromkeys(varied, decibels)
    for _ in range(_ROUNDS):
        settled = settler.settle(goals, units)
        short = {c: s.psnr for c, s in settled.items() if s.psnr < goals[c]}
        if short and min(short.values()) < decibels:
            raise BudgetError(
                "the codec cannot reach this quality",
                file=job.image.source,
                field="psnr",
                expected=f"at most {min(short.values()):.2f} dB",
                got=f"{decibels} dB",
                fix="ask for less, or choose another codec",
            )
        made = settler.made(settled)
        draft.hold(made)
        worst = min(settled.values(), key=lambda s: s.psnr)
        data, tally = draft.finished(trial.order, made, knob.from_unit(worst.unit), trial.octave)
        reached = Reached(data, tally.channels)
        if min(reached.channels.values()) >= decibels:
            found.append(reached)
        gains = {c: value - settled[c].psnr for c, value in reached.channels.items()}
        missed = [
            c
            for c, value in reached.channels.items()
            if value < decibels
            or (value > decibels + TOLERANCE and settled[c].psnr <= goals[c] + TOLERANCE)
        ]
        if not missed:
            return
        goals |= {c: decibels - gains[c] + NEAR / 2 for c in missed}
        units = {c: s.unit for c, s in settled.items()}
