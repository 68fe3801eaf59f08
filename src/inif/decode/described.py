"""What an open file says of itself: names, sizes, facts. Nothing is decoded for it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from inif.container.reader import Container
from inif.decode.levels import chunks_of
from inif.metadata import Metadata


class Described:
    """The part of a `File` that its header is enough for.

    Attributes
    ----------
    container, header
        Of the file.
    axes, shape, dtype, meta
        Of the image.
    """

    def __init__(self, container: Container) -> None:
        header = container.header
        self.container = container
        self.header: dict[str, Any] = header
        self.axes: str = header["axes"]
        self.shape: tuple[int, ...] = tuple(header["shape"])
        self.dtype: np.dtype[Any] = np.dtype(header["dtype"])
        self.meta = Metadata.from_json(header.get("meta") or {})

    def __repr__(self) -> str:
        return (
            f"<inif.File {self.axes} {self.shape} {self.dtype} at {self.ratio:.1f}x, {self.name}>"
        )

    @property
    def name(self) -> str:
        """Where the file came from, for messages."""
        return self.container.name

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def raw_bytes(self) -> int:
        """Bytes of the uncompressed samples."""
        return self.size * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """The same as `raw_bytes`, by NumPy's name."""
        return self.raw_bytes

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the axes, as xarray has them: ``("Z", "Y", "X")``."""
        return tuple(self.axes)

    @property
    def sizes(self) -> dict[str, int]:
        """Samples along each axis, by its name."""
        return dict(zip(self.axes, self.shape, strict=True))

    @property
    def chunks(self) -> tuple[int, ...]:
        """What is best asked for at once: a plane, or a part of it; 1 along other axes."""
        return chunks_of(self.axes, self.shape)

    @property
    def attrs(self) -> dict[str, Any]:
        """What the file says of itself, as ``attrs`` of xarray: names, steps, units, ratio."""
        scale = self.meta.scale
        facts: dict[str, Any] = {"name": self.meta.name, "ratio": self.ratio}
        facts["scale"] = {a: step for a, (step, _) in scale.items()}
        facts["units"] = {a: unit for a, (_, unit) in scale.items() if unit}
        facts["channels"] = self.channels
        return facts | {k: v for k, v in self.header.get("lossy", {}).items() if k != "remarks"}

    @property
    def file_bytes(self) -> int:
        """Bytes of the whole file."""
        return self.container.file_bytes

    @property
    def ratio(self) -> float:
        """raw_bytes / file_bytes."""
        return self.raw_bytes / self.file_bytes

    @property
    def stated_windows(self) -> list[list[float] | None]:
        """Display limits of each channel as the file states them; none at all, or None of one."""
        return list(self.header.get("meta", {}).get("windows", []))

    @property
    def channels(self) -> list[str | None]:
        """Names of the channels, None where the source gave none; empty without a C axis."""
        c = self.axes.find("C")
        if c < 0:
            return []
        names = [channel.name for channel in self.meta.channels]
        return (names + [None] * self.shape[c])[: self.shape[c]]
