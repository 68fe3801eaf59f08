"""What a codec keeps between two calls: chunks of which parts were read last, and turns of threads.

So plane after plane of a chunk does not cost the chunk each time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import BoundedSemaphore, Lock

from inif.decode.file import File
from inif.fields.parallel import cores

MOST = 256 << 20
"""Bytes that kept chunks may take, the last one aside."""

_EACH = 8
"""Bytes for each sample of an open chunk, at most: latents and outputs."""


class Kept:
    """Open chunks by their payloads. Threads may share it; it is copied and pickled empty.

    Attributes
    ----------
    turns
        Held while a chunk is coded or decoded: as many are at once as there are cores, however many
        threads Zarr has, because each takes up to 30 bytes of memory for a sample.
    """

    def __init__(self) -> None:
        self._files: OrderedDict[bytes, File] = OrderedDict()
        self._lock = Lock()
        self.turns = BoundedSemaphore(cores())

    def __reduce__(self) -> tuple[type[Kept], tuple[()]]:
        return Kept, ()

    def get(self, data: bytes, make: Callable[[bytes], File]) -> File:
        """The chunk of a payload, opened where it is not kept."""
        with self._lock:
            file = self._files.pop(data, None)
            if file is None:
                file = make(data)
            self._files[data] = file
            while sum(_EACH * f.size for f in self._files.values()) > MOST and len(self._files) > 1:
                self._files.popitem(last=False)
            return file
