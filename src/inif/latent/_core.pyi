"""The compiled core: coder, and lifting along one axis. Loops run without the interpreter's lock.

Every argument is checked: what does not fit raises ValueError, or TypeError for another type, and
arrays have at most 2^28 numbers. They are C-contiguous.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, overload

import numpy as np
from numpy.typing import NDArray

_Ints = NDArray[np.int32]
_Floats = NDArray[np.float32]

class Model:
    """What contexts have learned: estimates and mixing weights."""

    size: ClassVar[int]
    """Bytes of what `store` gives."""

    @overload
    def __init__(self) -> None: ...
    @overload
    def __init__(self, data: bytes, /) -> None: ...
    def copy(self) -> Model: ...
    def cap(self, most: int) -> None:
        """Forget how sure the estimates are beyond `most` observations."""
    def tune(self, limit: int, speed: int) -> None:
        """Observations that an estimate counts, and the rate at which weights move."""
    def expect(self, weights: _Ints) -> None:
        """Set the (32, 17) weights of the neighbours that let expect a magnitude, in 1/256."""
    def store(self) -> bytes:
        """All but what `tune` sets."""

class Stream:
    """One stream: bits that are written, only estimated, or read; the model learns from them."""

    @overload
    def __init__(self, model: Model, writes: bool) -> None: ...
    @overload
    def __init__(self, model: Model, data: bytes) -> None: ...
    def band(
        self,
        shape: Sequence[int],
        level: int,
        kind: int,
        side: int,
        earlier: _Ints,
        parent: _Ints | None,
        parent_of: _Ints,
        siblings: NDArray[np.int16],
        sibling_of: _Ints,
        values: _Floats | None = None,
        most: _Ints | None = None,
        weights: _Floats | None = None,
        step: float = 1.0,
        lambda_: float = 0.0,
        dead_zone: float = 0.5,
        one: float = 0.94,
        rest: float = -0.03,
        spent: _Floats | None = None,
        planned: _Floats | None = None,
        left: float = 0.0,
        after: float = 0.0,
    ) -> NDArray[np.int32]:
        """Latents of a band: chosen for `values`, taken from `most` if there are none, or read.

        Parameters
        ----------
        shape
            (planes, height, width), of the latents, `values`, `most` and `weights`.
        level, kind
            0 … 5, and 0 … 7, see `inif.latent.plan.Band`.
        side
            Of its blocks, 4 or 8.
        earlier
            (planes, 3): planes before that each looks at, -1 for none.
        parent
            A band one level coarser, (planes, height, width).
        parent_of
            (planes,): the parent's plane of each plane.
        siblings
            Sums of magnitudes of the level's bands, at most 255, with a margin of one on each
            side of each axis; this band is added.
        sibling_of
            (planes,): the plane of each in `siblings`.
        values
            Coefficients; `most` is then an earlier pass, none of whose empty blocks get latents,
            and `weights` are those of their squared errors.
        lambda_
            What a bit costs, in squared steps.
        dead_zone
            Added to a magnitude before it is rounded down, 0 … 1.
        one, rest
            A magnitude of 1 stands for `one` steps, k for k + `rest`.
        spent
            Bits are added to it: (planes, blocks down, blocks across).
        planned, left, after
            Bits that each block is expected to take, bits that there are for this band and all
            that follow, and that those that follow are expected to take. While writing, `lambda_`
            changes so that the bits suffice.
        """
    def low(
        self, shape: Sequence[int], earlier: _Ints, latents: _Ints | None = None
    ) -> NDArray[np.int32]:
        """Latents of the coarsest band, (planes, height, width): given, or read."""
    def finish(self) -> bytes:
        """What was written."""
    @property
    def bits(self) -> float:
        """Estimate of what was written."""
    @property
    def size(self) -> int:
        """Bytes that were written, but for the last few."""

def split(x: _Floats, kind: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Low and high coefficients along the middle axis of (outer, length, inner)."""

def join(low: _Floats, high: _Floats, kind: int) -> NDArray[np.float32]:
    """The inverse of `split`."""

def join_in_place(x: _Floats, kind: int, first: int, last: int) -> None:
    """Join along the middle axis of (outer, length, inner), low and high ones in turns.

    Parameters
    ----------
    first, last
        Of the numbers along the last axis.
    """

def join_planes(
    out: _Floats,
    places: _Ints,
    parts: Sequence[NDArray[Any] | None],
    samples: bool,
    times: _Floats,
    depths: _Floats,
    down: Sequence[_Floats],
    across: Sequence[_Floats],
    step: float,
    one: float,
    first: int,
    last: int,
) -> None:
    """Join planes of bands, along X and then along Y.

    Parameters
    ----------
    out, places
        (K, H, W), and the number in it of each of (P,) planes.
    parts
        Low; high along X; along Y; along both: each (P, h, w) coefficients as float32 or latents as
        int32, or None where planes were not split that way.
    samples
        Whether the first part is joined already, as float32.
    times, depths, down, across
        Norms that coefficients are divided by: (P,) along T and Z; of the low and the high rows,
        and columns.
    step, one
        A latent of 1 stands for `one` steps, others for themselves.
    first, last
        Of the (P,) planes.
    """

def norms(length: int, level: int, high: bool, kind: int) -> NDArray[np.float32]:
    """Norms of what each low or high coefficient of a level becomes in an axis of `length`."""

def finish(
    values: _Floats,
    added: _Floats | None,
    gain: float,
    scale: float,
    unit: float,
    limits: _Floats | None,
    out: np.ndarray,
) -> None:
    """Write what values stand for: outputs in [-1, 1], or samples.

    Parameters
    ----------
    values, added
        (N,): an image's values, and a correction that is added `gain` times.
    scale, unit
        A sum is divided by `scale`, multiplied by `unit`, and 1 is taken from it: an output.
    limits
        (4,): half the range of samples, its middle, the lowest and the highest one. A sample is
        ``output * half + middle``, kept within the range and rounded, half to even.
    out
        (N,) float32, or with limits uint8, uint16, int8 or int16.
    """

REPAIR_BYTES: tuple[int, int]
"""Bytes of a network of planes, and of one of stacks."""

def repair(
    x: _Floats, step: float, net: bytes, out: _Floats, first: int, last: int, top: int, bottom: int
) -> None:
    """Write the correction of a part of some decoded stacks.

    Parameters
    ----------
    x, out
        (K, D, H, W): K stacks of D planes, at most 2^30 numbers. The image goes on outside as at
        its edge, along D it is mirrored.
    step
        Of the quantiser, in the unit of x.
    net
        A network; that of planes looks at each plane alone.
    first, last
        Planes, of all stacks one after the other.
    top, bottom
        Rows, multiples of 4 or the last.
    """
