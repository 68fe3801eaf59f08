"""Ctrl-C while native code works: the work has a thread of its own, and the caller's only waits.

Python heeds a signal between two steps of the main thread, but an encoder or a fit may be minutes
inside one call. So the caller can always leave, and the work ends where it next looks.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from inif.config import ProgressEvent

_TICK, _GRACE = 0.1, 1.0
"""Seconds between two looks, and for work that is left to end by itself."""

Progress = Callable[[ProgressEvent], None]
T = TypeVar("T")


class Interrupt:
    """Whether the user wants the work to end, as the work sees it.

    Attributes
    ----------
    kept
        Whether the best so far is being finished, because it is to be kept.
    """

    def __init__(self) -> None:
        self._asked, self._left = threading.Event(), threading.Event()
        self.kept = False

    def ask(self) -> None:
        """Want it."""
        self._asked.set()

    def keep(self) -> None:
        """Heed it: from now on there is only what is needed to finish the best so far."""
        self.kept = True

    def leave(self) -> None:
        """Nobody waits for the work any more."""
        self._left.set()
        self._asked.set()

    @property
    def asked(self) -> bool:
        """Whether Ctrl-C has come."""
        return self.kept or self._asked.is_set()

    def check(self) -> None:
        """Where the work can end.

        Raises
        ------
        KeyboardInterrupt
            It is to end.
        """
        if self._left.is_set() or (self._asked.is_set() and not self.kept):
            raise KeyboardInterrupt

    def wait(self, future: Future[T]) -> T:
        """What a future comes to.

        Raises
        ------
        KeyboardInterrupt
            The work is to end; the future goes on.
        """
        while not wait([future], _TICK).done:
            self.check()
        return future.result()


def interruptible(
    work: Callable[[Progress | None], T],
    interrupt: Interrupt,
    progress: Progress | None = None,
    *,
    keep: bool = False,
    stop: threading.Event | None = None,
) -> T:
    """Do the work in a thread, so that Ctrl-C in the caller's is heeded at once.

    Parameters
    ----------
    work
        Takes what to report its progress to.
    progress
        Called in the caller's thread while the work waits; what it raises, the work sees.
    keep
        Whether the first Ctrl-C asks the work to end with what it has, and only a second leaves.
    stop
        Is set where the caller cannot get a Ctrl-C, in a thread of a program with windows; then the
        work is left at once.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C, or `stop`; the work ends by itself where it next looks.
    """
    events: queue.SimpleQueue[tuple[ProgressEvent, Future[None]] | None] = queue.SimpleQueue()
    result: Future[T] = Future()

    def told(event: ProgressEvent) -> None:
        answer: Future[None] = Future()
        events.put((event, answer))
        interrupt.wait(answer)

    def body() -> None:
        try:
            result.set_result(work(told if progress else None))
        except BaseException as error:
            result.set_exception(error)
        events.put(None)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(body,), daemon=True)
    unstarted = [thread]

    def attend() -> T:
        while unstarted:
            unstarted.pop().start()
        while True:
            if stop is not None and stop.is_set():
                interrupt.ask()  # nothing is kept
                raise KeyboardInterrupt
            try:
                item = events.get(timeout=_TICK)
            except queue.Empty:
                item = None
            if item is None:
                if result.done():
                    return result.result()
                continue
            event, answer = item
            try:
                assert progress is not None
                progress(event)
            except BaseException as error:
                answer.set_exception(error)
            else:
                answer.set_result(None)

    try:
        while True:
            try:
                return attend()
            except KeyboardInterrupt:
                if not keep or interrupt.asked:
                    raise
                interrupt.ask()
    except BaseException:
        interrupt.leave()
        if thread.ident is not None:
            thread.join(_GRACE)
        raise
