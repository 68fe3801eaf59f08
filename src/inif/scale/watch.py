"""How far the work is: events for a progress bar, and a line of JSON for every shard."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import IO, Any

from inif.config import ProgressEvent
from inif.scale.rate import Done, Unit, psnr_of

Progress = Callable[[ProgressEvent], None]


class Watch:
    """Tells of the work.

    Parameters
    ----------
    progress
        Takes events; None: nobody watches.
    log
        Takes lines; None: there are none.
    """

    def __init__(self, progress: Progress | None, log: IO[str] | None) -> None:
        self._progress, self._log = progress, log
        self._stage, self._begun, self._first, self._bytes = "", 0.0, 0, 0.0
        self.channels(0)

    def channels(self, channels: int) -> None:
        """Say how many channels all images have."""
        self._squares, self._voxels = [0.0] * channels, [0.0] * channels
        self._low, self._high = [float("inf")] * channels, [float("-inf")] * channels

    def seen(self, unit: Unit, done: Done) -> None:
        """Take a unit into the quality so far."""
        if unit.level:
            return
        for k, c in enumerate(unit.channels):
            self._squares[c] += done.squares[k]
            self._voxels[c] += unit.voxels / len(unit.channels)
            self._low[c] = min(self._low[c], done.low[k])
            self._high[c] = max(self._high[c], done.high[k])

    @property
    def psnr(self) -> float | None:
        """Mean over the channels that were seen, in dB, against their range so far."""
        found = [
            psnr_of(s / n, high - low)
            for s, n, low, high in zip(
                self._squares, self._voxels, self._low, self._high, strict=True
            )
            if n
        ]
        return sum(found) / len(found) if found else None

    def step(self, stage: str, step: int, steps: int, raw: float = 0.0) -> None:
        """Say how far it is.

        Parameters
        ----------
        raw
            Bytes of samples that this step has worked on.
        """
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._begun, self._first, self._bytes = stage, now, step, 0.0
        self._bytes += raw
        if self._progress is None:
            return
        seconds, made = now - self._begun, step - self._first
        eta = seconds / made * (steps - step) if made > 0 else None
        rate = self._bytes / seconds if raw and seconds > 0 else None
        self._progress(ProgressEvent(stage, step, steps, self.psnr, seconds, eta, rate))

    def note(self, body: Mapping[str, Any]) -> None:
        """Write a line of the log."""
        if self._log is not None:
            stamp = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
            self._log.write(json.dumps(stamp | dict(body), separators=(",", ":")) + "\n")
            self._log.flush()
