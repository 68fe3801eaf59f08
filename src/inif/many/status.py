"""How far many files are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Status:
    """Images and bytes of input that are done, and how many there are."""

    images: int
    of_images: int
    bytes: float
    of_bytes: int


Watch = Callable[[Status], None]
