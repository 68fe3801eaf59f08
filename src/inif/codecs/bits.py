"""Numbers of a few bits, as the headers of codecs hold them: enough to read declared sizes."""

from __future__ import annotations

from typing import Literal

from inif.codecs.base import Damaged

_MOST = 256


class Bits:
    """Reads the first bytes of a header bit by bit.

    Parameters
    ----------
    data
        The header; what lies beyond its first 256 bytes is not seen.
    order
        Which bit of a byte comes first: the highest ("big") or the lowest ("little").

    Attributes
    ----------
    at
        How many bits have been read.
    """

    def __init__(self, data: bytes, order: Literal["big", "little"]) -> None:
        head = data[:_MOST]
        self._value = int.from_bytes(head, order)
        self._length, self._order, self.at = 8 * len(head), order, 0

    def take(self, count: int) -> int:
        """The next `count` bits as a number.

        Raises
        ------
        Damaged
            There are not so many left.
        """
        self.at += count
        if self.at > self._length:
            raise Damaged("a header that ends too early")
        before = self.at - count if self._order == "little" else self._length - self.at
        return self._value >> before & (1 << count) - 1

    def exp_golomb(self) -> int:
        """The next unsigned Exp-Golomb number, ue(v) in H.265."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)
