"""How long a server is waited for, and how much is taken from it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from inif.errors import InputError


@dataclass(frozen=True)
class Limits:
    """How long and how much is waited for.

    Attributes
    ----------
    connect
        Seconds until there is a connection; INIF_CONNECT_TIMEOUT.
    read
        Seconds without a byte; INIF_READ_TIMEOUT.
    download
        Bytes of the largest file that is read whole; INIF_DOWNLOAD_LIMIT.
    """

    connect: float = 10.0
    read: float = 30.0
    download: int = 1 << 30

    @classmethod
    def from_environment(cls) -> Limits:
        """The defaults, or what the variables of the environment say.

        Raises
        ------
        InputError
            A variable is no number above 0.
        """

        def number(name: str, default: float) -> float:
            text = os.environ.get(name, "").strip() or str(default)
            try:
                value = float(text)
            except ValueError:
                value = 0.0
            if not 0 < value < 1e15:
                raise InputError(
                    "this variable of the environment cannot be used",
                    field=name,
                    expected="a number above 0",
                    got=text,
                )
            return value

        return cls(
            number("INIF_CONNECT_TIMEOUT", cls.connect),
            number("INIF_READ_TIMEOUT", cls.read),
            int(number("INIF_DOWNLOAD_LIMIT", cls.download)),
        )
