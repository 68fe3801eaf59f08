"""What a codec is: a stack of frames in, a standard stream out, and back, whatever the bytes are.

`Codec.encode` and `Codec.decode` do what all codecs share: they check what goes in and comes out,
and turn every failure of a library into one of inif's errors. A codec adds how its library is
driven, and checks of the sizes that a stream declares, before the library allocates anything.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from inif.codecs.knob import Knob
from inif.codecs.libraries import installed
from inif.errors import FormatError, InifError, InputError, MissingExtraError, UnsupportedError

Shape = tuple[int, int, int]
Task = Literal["encode", "decode"]


class Damaged(FormatError):  # noqa: N818  (a finding, not yet a message)
    """A stream is not what it should be; `Codec.decode` adds the file and the place."""

    def __init__(self, got: object, expected: object = None) -> None:
        super().__init__("the stream is not as it should be", expected=expected, got=got)


class Codec(ABC):
    """One codec, for blocks of frames of one channel.

    A block is an (N, Y, X) array of uint16 levels that use all of `bits` bits; N is 1 for a single
    plane. Subclasses are frozen dataclasses whose fields are options of the encoder; none of them
    matters to decoding.

    Attributes
    ----------
    kind
        Its name in file headers and options.
    title
        Its name for people.
    bits
        Depth of the levels.
    suffix
        Of its streams as files.
    package
        The Python package that does it.
    exact
        Whether a stream stands for the same levels on every machine; else its standard leaves the
        last bits to the decoder.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    bits: ClassVar[int]
    suffix: ClassVar[str]
    package: ClassVar[str]
    exact: ClassVar[bool] = False

    @property
    def feature(self) -> str:
        """What a header's ``requires`` names."""
        return f"{self.kind}/1"

    @property
    def peak(self) -> int:
        """The largest level."""
        return (1 << self.bits) - 1

    @abstractmethod
    def missing(self, task: Task = "encode") -> str | None:
        """Why it cannot run here (a library that is not installed), or None."""

    def unavailable(self, task: Task = "encode") -> str | None:
        """Why it cannot be used here, its package included, or None."""
        if not installed(self.package):
            return f"{self.title} needs the Python package {self.package!r}"
        return self.missing(task)

    @abstractmethod
    def knob(self, frames: int) -> Knob:
        """The setting that trades bytes for quality, for blocks of as many frames."""

    def encode(
        self, levels: np.ndarray, quality: float, threads: int = 1, **settings: Any
    ) -> bytes:
        """One block as bytes; the same arguments give the same bytes.

        Parameters
        ----------
        levels
            (N, Y, X) uint16, at most `peak`.
        quality
            A value of the `knob`.
        threads
            That the encoder may use.
        **settings
            The encoder's own parameters, by their own names, in place of the defaults.

        Raises
        ------
        InputError
            `levels` are not such a block.
        MissingExtraError, UnsupportedError
            The library is not installed, cannot encode, or refuses the block.
        """
        if levels.ndim != 3 or levels.dtype != np.uint16 or not levels.size:
            raise InputError(
                "a codec encodes frames of levels",
                field="levels",
                expected="(N, Y, X) uint16, not empty",
                got=f"{levels.shape} {levels.dtype}",
            )
        if (largest := int(levels.max())) > self.peak:
            raise InputError(
                f"levels of {self.kind} have {self.bits} bits",
                field="levels",
                expected=f"at most {self.peak}",
                got=largest,
            )
        self._require("encode", None)
        try:
            return self._encode(levels, quality, threads, settings)
        except (InifError, MemoryError):
            raise
        except Exception as error:
            raise UnsupportedError(
                f"{self.title} cannot encode this block",
                field="codec",
                got=f"{levels.shape}: {type(error).__name__}: {error}",
                fix="choose another codec",
            ) from error

    def decode(
        self,
        data: bytes,
        shape: Shape,
        threads: int = 1,
        *,
        file: object = None,
        field: str = "codec",
    ) -> np.ndarray:
        """The levels that a block's bytes stand for, the same on any number of threads.

        Parameters
        ----------
        data
            From `encode`, or from anywhere: nothing is taken on trust.
        shape
            (N, Y, X) of the block, from a source that has been checked.
        threads
            That the decoder may use.
        file, field
            For messages.

        Returns
        -------
        (N, Y, X) uint16, at most `peak`.

        Raises
        ------
        FormatError
            The bytes are damaged, or hold something else than a block of this shape.
        MissingExtraError, UnsupportedError
            The library is not installed, or cannot decode this.
        """
        self._require("decode", file)
        try:
            levels = self._decode(data, shape, threads)
            if levels.shape != shape or levels.dtype != np.uint16:
                raise Damaged(f"{levels.shape} {levels.dtype}", f"{shape} uint16")
            if self.bits < 16 and (largest := int(levels.max())) > self.peak:
                raise Damaged(f"level {largest}", f"at most {self.peak}")
            return levels
        except MemoryError:
            raise
        except Exception as error:
            raise self._refused(error, file, field) from error

    def streams(self, data: bytes, shape: Shape) -> list[bytes]:
        """The standard streams of a block of (N, Y, X), each a file of its own if written.

        Raises
        ------
        FormatError
            The bytes do not hold so many streams.
        """
        return [data]

    @abstractmethod
    def _encode(
        self, levels: np.ndarray, quality: float, threads: int, settings: Mapping[str, Any]
    ) -> bytes:
        """As `encode`, with arguments that are known to be good."""

    @abstractmethod
    def _decode(self, data: bytes, shape: Shape, threads: int) -> np.ndarray:
        """As `decode`; may raise anything."""

    def _require(self, task: Task, file: object) -> None:
        if not installed(self.package):
            raise MissingExtraError(self.package, None, need=f"{self.title}", file=file)
        if reason := self.missing(task):
            raise UnsupportedError(reason, file=file, field="codec", fix="install another build")

    def _refused(self, error: Exception, file: object, field: str) -> FormatError:
        return FormatError(
            f"this is not the {self.title} stream that it should be",
            file=file,
            field=field,
            expected=error.expected if isinstance(error, Damaged) else None,
            got=error.got if isinstance(error, Damaged) else f"{type(error).__name__}: {error}",
            fix="get the file again from its source",
        )
