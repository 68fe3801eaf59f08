"""What the callers of `inif.compress` ask for, checked before the work: one error names the option.

All of these raise an `InputError`, and `checked_method` an `UnsupportedError` too.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from inif.config import FitSettings
from inif.errors import InputError, UnsupportedError

METHODS = ("auto", "siren", "hybrid", "latent")


def checked_method(method: str, *, codec: str | None, share: float, select: str) -> str:
    """The method, checked against what only a hybrid has."""
    if method not in METHODS:
        raise UnsupportedError(
            "this release does not have this method",
            field="method",
            expected=" or ".join(METHODS),
            got=method,
        )
    if codec is not None:
        from inif.codecs import load_codec

        load_codec(codec)
        if method in ("siren", "latent"):
            raise InputError(
                "only a hybrid has a codec", field="codec", fix='use method="hybrid"', got=codec
            )
    if not 0 <= share <= 0.9:
        raise InputError("this share cannot be used", field="share", expected="0 … 0.9", got=share)
    if share and method in ("siren", "latent"):
        raise InputError("only a hybrid shares its bytes", field="share", got=share)
    if select != "psnr" and method in ("siren", "latent"):
        raise InputError("only a hybrid has frames to judge", field="select", got=select)
    return "hybrid" if share or codec is not None else method


def known_settings(settings: dict[str, Any] | None) -> dict[str, Any]:
    """Changes to settings that there are, each under the name of a field of `FitSettings`."""
    changes, names = dict(settings or {}), [f.name for f in fields(FitSettings)]
    if unknown := changes.keys() - set(names):
        raise InputError(
            "there is no setting of this name",
            field="settings",
            expected=" or ".join(names),
            got=", ".join(sorted(unknown)),
        )
    return changes


def check_alone(name: str, **asked: object) -> None:
    """Refuse what is asked for besides exact or bounded samples; None stands for nothing."""
    given = {name: value for name, value in asked.items() if value is not None}
    if given:
        raise InputError(
            "samples that are stored exactly leave nothing to choose"
            if name == "lossless"
            else "a bound of every sample's error leaves nothing else to choose",
            field=name,
            expected=f"{name} without " + ", ".join(given),
            got=", ".join(f"{name} {value}" for name, value in given.items()),
            fix="leave out one or the other",
        )


def checked_seed(seed: int) -> int:
    """A seed that random numbers can begin with."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**31:
        raise InputError(
            "this seed cannot be used", field="seed", expected="0 … 2147483647", got=seed
        )
    return seed


def checked_limit(seconds: float | None) -> float | None:
    """A limit of time in seconds, or none."""
    if seconds is not None and not seconds > 0:
        raise InputError(
            "this time limit cannot be used", field="time_limit", expected="> 0", got=seconds
        )
    return seconds
