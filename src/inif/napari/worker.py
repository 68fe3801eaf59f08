"""Compression beside napari's window: a thread that says how far it is and can be stopped."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.qt.threading import GeneratorWorkerSignals, WorkerBase

from inif.progress import WORDS, Overall, format_time

if TYPE_CHECKING:
    from inif.config import ProgressEvent
    from inif.decode.file import File
    from inif.image import Image, LazyImage

_PAUSE = 0.1
"""Seconds between two reports."""


class CancelledError(Exception):
    """The user does not want the file any more."""


@dataclass(frozen=True)
class Report:
    """How far the work is: a share from 0 to 1, and words for people."""

    done: float
    text: str


class Compression(WorkerBase):
    """`inif.compress` in a thread of napari's.

    It gives `Report` objects by ``yielded``, and the file by ``returned`` or its error by
    ``errored``. That is a `CancelledError` within about a second of ``quit()``.

    Parameters
    ----------
    options
        Of `inif.compress`.
    """

    def __init__(self, image: Image | LazyImage, **options: Any) -> None:
        super().__init__(SignalsClass=GeneratorWorkerSignals)
        self._image, self._options = image, options
        self._stop = threading.Event()

    def quit(self) -> None:
        """Leave the work."""
        super().quit()
        self._stop.set()

    def work(self) -> File:
        """Compress; runs in the thread."""
        import inif

        overall = Overall(by_psnr="psnr" in self._options)
        begun, last = time.monotonic(), 0.0

        def progress(event: ProgressEvent) -> None:
            nonlocal last
            done, now = overall.update(event), time.monotonic()
            if now - last < _PAUSE:
                return
            last, left = now, overall.left(now - begun)
            text = WORDS.get(event.stage, event.stage)
            if left is not None:
                text += f", about {format_time(left)} left"
            self.yielded.emit(Report(done, text))

        try:
            return inif.compress(self._image, progress=progress, stop=self._stop, **self._options)
        except KeyboardInterrupt:
            raise CancelledError from None
