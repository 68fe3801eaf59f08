"""Decoded chunks that are kept, so that what was just seen is not decoded again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock

import numpy as np

CACHE_BYTES = 256 << 20
"""Memory that the decoded chunks of a file take at most, the one that was made last aside."""


class ChunkCache:
    """The arrays that were asked for last. Threads that want the same one wait for one to make it.

    Parameters
    ----------
    most
        Bytes of all that is kept.
    """

    def __init__(self, most: int = CACHE_BYTES) -> None:
        self._most, self._bytes = most, 0
        self._kept: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._making: dict[Hashable, Future[np.ndarray]] = {}
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The array of a key, made where it is not kept; do not write to it."""
        with self._lock:
            if (known := self._known(key)) is not None:
                return known
            others = self._making.get(key)
            if others is None:
                own = self._making[key] = Future()
        if others is not None:
            return others.result()
        try:
            made = self.put(key, make())
        except BaseException as error:
            with self._lock:
                del self._making[key]
            own.set_exception(error)
            raise
        with self._lock:
            del self._making[key]
        own.set_result(made)
        return made

    def peek(self, key: Hashable) -> np.ndarray | None:
        """The array of a key, where it is kept."""
        with self._lock:
            return self._known(key)

    def put(self, key: Hashable, made: np.ndarray) -> np.ndarray:
        """Keep an array, which nobody writes to any more."""
        made.flags.writeable = False
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._bytes += made.nbytes
            while self._bytes > self._most and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return made

    def _known(self, key: Hashable) -> np.ndarray | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)
