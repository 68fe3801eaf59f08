"""One exception tree, so that every failure reads the same and exits the same.

A message names the file, the field at fault, what was expected, what was found and how to fix it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self


class InifError(Exception):
    """Base of every error that inif raises for bad input; the command line exits with code 2.

    Parameters
    ----------
    problem
        One sentence: what is wrong.
    file, field, expected, got, fix
        The file, the place in it, what was expected there, what was found, and what the user can
        do. Parts that are not known are left out of the message.
    rejection
        For ``.inif`` files: which rule of the format was broken, a `container.spec.Rejection`.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: object = None,
        field: str | None = None,
        expected: object = None,
        got: object = None,
        fix: str | None = None,
        rejection: str | None = None,
    ) -> None:
        self.problem = problem
        self.file = None if file is None else str(file)
        self.field = field
        self.expected = None if expected is None else _short(expected)
        self.got = None if got is None else _short(got)
        self.fix = fix
        self.rejection = rejection
        super().__init__(str(self))

    def __str__(self) -> str:
        parts = [self.problem.rstrip(".")]
        for label in ("file", "field", "expected", "got", "fix"):
            value = getattr(self, label)
            if value is not None:
                parts.append(f"{label}: {value}")
        return "; ".join(parts)

    def to_json(self) -> dict[str, str]:
        """The error as a JSON object, for ``--json``."""
        labels = ("problem", "file", "field", "expected", "got", "fix", "rejection")
        body = {k: str(getattr(self, k)) for k in labels if getattr(self, k) is not None}
        return {"error": type(self).__name__, **body}


class InputError(InifError, ValueError):
    """An image, a number or an option given by the user cannot be used."""


class MissingFileError(InputError, FileNotFoundError):
    """There is no file of this name."""

    def __new__(cls, *args: object, **named: object) -> Self:
        """Made as an `OSError` is, which is larger than a `ValueError`."""
        return FileNotFoundError.__new__(cls, *args)


class AxesError(InputError):
    """Axes are missing, unknown, repeated, or do not fit the array."""


class SelectionError(InputError, IndexError):
    """A slice, region, mask or point lies outside the image or cannot be read."""


class BudgetError(InputError):
    """The asked-for ratio, size or quality cannot be met."""


class FormatError(InifError):
    """A file claims to be ``.inif`` but breaks the format, or is damaged."""


class UnsupportedError(InifError):
    """The file is sound but needs a feature or a version that this release does not have."""


class MissingExtraError(InifError):
    """A package is not installed; the message says how to get it.

    Parameters
    ----------
    package
        What cannot be imported.
    extra
        The optional part of inif that it belongs to; None for what every install needs.
    need
        What needs it: the subject of the message.
    """

    def __init__(self, package: str, extra: str | None, *, need: str, file: object = None) -> None:
        wanted = "bioinif" if extra is None else f"'bioinif[{extra}]'"
        here = "." if extra is None else f"'.[{extra}]'"
        super().__init__(
            f"{need} needs the Python package {package!r}",
            file=file,
            fix=f"pip install {wanted} (in a checkout: pip install {here})",
        )


@contextmanager
def extras_named() -> Iterator[None]:
    """Say which extra to install where JAX is missing; also to decorate a function with.

    Raises
    ------
    MissingExtraError
        In place of the `ModuleNotFoundError` of JAX or Optax.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("jax", "optax"):
            raise
        need = "a pure field, a learned optimizer or a guide with derivatives"
        raise MissingExtraError(error.name, "fields", need=need) from None


class RemarkWarning(UserWarning):
    """What a user must know of an image or a file that was used all the same.

    What was not kept, what was assumed, what looks wrong. The command line prints each as one line
    on stderr and lists them under "remarks" with ``--json``.
    """


def format_size(count: float) -> str:
    """Bytes for people: ``"61.4 kB"``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} B" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    raise AssertionError


def _short(value: object, limit: int = 200) -> str:
    text = str(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
