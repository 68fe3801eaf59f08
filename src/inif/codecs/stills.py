"""Codecs for single pictures, as codecs of stacks: one stream per frame, all in one block.

A block of N frames is the lengths of its first N - 1 streams as LEB128, then the streams; so a
block of one frame is its stream and nothing else.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from inif.codecs.base import Codec, Damaged, Shape, Task
from inif.codecs.libraries import missing_imagecodec
from inif.coding import leb128


class StillCodec(Codec):
    """A codec for single pictures.

    Attributes
    ----------
    library
        Its name in imagecodecs.
    whole
        Whether its knob takes whole numbers only, so that fractions are met by splitting the frames
        between two of them.
    """

    library: ClassVar[str]
    whole: ClassVar[bool] = False
    package = "imagecodecs"

    def missing(self, task: Task = "encode") -> str | None:
        """Why it cannot run here, or None."""
        return missing_imagecodec(self.library)

    def streams(self, data: bytes, shape: Shape) -> list[bytes]:
        """The stream of every frame.

        Raises
        ------
        FormatError
            The bytes do not hold so many streams.
        """
        try:
            return split(data, shape[0])
        except Damaged as error:
            raise self._refused(error, None, "codec") from None

    def _encode(
        self, levels: np.ndarray, quality: float, threads: int, settings: Mapping[str, Any]
    ) -> bytes:
        settings = {**self._defaults(len(levels)), **settings}
        qualities = np.full(len(levels), quality)
        if self.whole:
            qualities += (np.arange(len(levels)) + 0.5) / len(levels) - 0.5
        return join(
            [
                self._encode_picture(picture, float(q), threads, settings)
                for picture, q in zip(levels, qualities, strict=True)
            ]
        )

    def _decode(self, data: bytes, shape: Shape, threads: int) -> np.ndarray:
        frames, y, x = shape
        pictures = []
        for stream in split(data, frames):
            picture = self._decode_picture(stream, (y, x), threads)
            if picture.shape != (y, x) or picture.dtype != np.uint16:
                raise Damaged(f"{picture.shape} {picture.dtype}", f"{(y, x)} uint16")
            pictures.append(picture)
        return np.stack(pictures)

    def _defaults(self, frames: int) -> dict[str, Any]:
        """Settings of the encoder for blocks of as many frames."""
        return {}

    @abstractmethod
    def _encode_picture(
        self, picture: np.ndarray, quality: float, threads: int, settings: Mapping[str, Any]
    ) -> bytes:
        """One (Y, X) picture as a standard stream."""

    @abstractmethod
    def _decode_picture(self, data: bytes, sides: tuple[int, int], threads: int) -> np.ndarray:
        """One picture; what the stream declares is checked against `sides` first."""


def join(streams: list[bytes]) -> bytes:
    """One block out of the streams of its frames."""
    return leb128.join(streams[:-1], streams[-1])


def split(data: bytes, frames: int) -> list[bytes]:
    """The inverse of `join`.

    Raises
    ------
    Damaged
        The bytes do not hold so many streams.
    """
    try:
        streams, last = leb128.split(data, 0, frames - 1)
    except ValueError as error:
        raise Damaged(error, f"{frames} streams") from None
    return [*streams, last]
