"""How much of a long job is done and how long it will take, from the events that it reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inif.config import ProgressEvent

WORDS = {
    "read": "reading",
    "choose": "choosing a codec",
    "trial": "trying settings",
    "encode": "encoding",
    "repair": "repairing",
    "fit": "fitting",
    "pack": "packing",
    "check": "checking",
    "write": "writing",
}
"""What goes on in each stage, for people."""

# Of what is left of the job when the stage begins, and how many rounds it usually takes.
_SHARES = {
    "read": (0.02, 1),
    "choose": (0.15, 1),
    "trial": (0.15, 4),
    "encode": (0.7, 6),
    "repair": (0.7, 1),
    "fit": (0.95, 1),
    "pack": (0.95, 1),
    "check": (0.7, 1),
    "write": (0.5, 1),
    "tune": (0.95, 1),
}
_OTHER = (0.5, 1)
_FITS_FOR_PSNR = 4
_ENOUGH = 0.05


@dataclass
class _Stage:
    """A kind of work that is done in rounds, as a search does encodes."""

    start: float
    share: float
    expected: float
    rounds: int = 0
    step: float = -1.0

    def at(self, step: int, steps: int) -> float:
        """The job's fraction at a step; a step that is not larger than the last begins a round."""
        if step <= self.step:
            self.rounds += 1
        self.step = step
        done = (self.rounds + step / max(steps, 1)) / self.expected
        inside = 0.9 * done if done < 1 else 1 - 0.1 / done  # never all of it: a round may follow
        return self.start + self.share * (1 - self.start) * inside


class Overall:
    """How much of a job is done, from its events alone.

    How many encodes or fits a target will take is not known beforehand. So every stage gets a share
    of what is left when it begins, and comes ever nearer to the end of that share. The fraction
    never falls, and stays below 1.

    Parameters
    ----------
    by_psnr
        Whether the target is a quality, for which a field is fitted several times.
    counted
        Whether the job is one round of one stage, so that its steps say how much is done.
    """

    def __init__(self, *, by_psnr: bool = False, counted: bool = False) -> None:
        self.fraction = 0.0
        self._by_psnr, self._counted = by_psnr, counted
        self._stages: dict[str, _Stage] = {}

    def update(self, event: ProgressEvent) -> float:
        """The fraction of the job that is done after an event."""
        if self._counted:
            self.fraction = max(self.fraction, event.step / max(event.steps, 1))
            return self.fraction
        stage = self._stages.get(event.stage)
        if stage is None:
            share, expected = _SHARES.get(event.stage, _OTHER)
            if event.stage in ("fit", "check") and self._by_psnr:
                expected = _FITS_FOR_PSNR
            stage = self._stages[event.stage] = _Stage(self.fraction, share, expected)
        self.fraction = max(self.fraction, stage.at(event.step, event.steps))
        return self.fraction

    def left(self, seconds: float) -> float | None:
        """Seconds to the end after so many; None while too little is done to tell."""
        if self.fraction < _ENOUGH:
            return None
        return seconds * (1 - self.fraction) / self.fraction


def format_time(seconds: float) -> str:
    """Seconds for people: ``"8 s"``, ``"3:05"``, ``"1:02:40"``."""
    total = max(0, round(seconds))
    if total < 60:
        return f"{total} s"
    hours, rest = divmod(total, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"
