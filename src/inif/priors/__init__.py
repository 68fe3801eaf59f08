"""Priors: standard codecs whose decoded picture a field refines; the bits stay a standard stream.

How each codec is driven stands here and nowhere else; the benchmark's rivals are these priors.
Each module imports its library only when it encodes or decodes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from inif.errors import InputError
from inif.priors.aom import Aom
from inif.priors.av1 import Av1
from inif.priors.avif import Avif
from inif.priors.base import Cost, Prior
from inif.priors.hevc import Hevc
from inif.priors.jpeg2000 import Htj2k, Jpeg2000
from inif.priors.jpegxl import JpegXl
from inif.priors.knob import Knob
from inif.priors.sperr import Sperr

PRIORS: dict[str, Prior] = {
    p.kind: p for p in (Av1(), Aom(), Hevc(), JpegXl(), Avif(), Jpeg2000(), Htj2k(), Sperr())
}


def load_prior(kind: str, **options: Any) -> Prior:
    """A prior by name, with other options of its encoder than the default ones.

    Parameters
    ----------
    kind
        One of `PRIORS`.
    **options
        As the prior's class has them: ``preset`` of "av1" and "hevc", ``speed`` of "aom".

    Raises
    ------
    InputError
        There is no such prior, or it has no such option.
    """
    if kind not in PRIORS:
        raise InputError(
            "there is no such prior", field="prior", expected=", ".join(PRIORS), got=ascii(kind)
        )
    try:
        return replace(PRIORS[kind], **options)  # type: ignore[type-var]
    except TypeError:
        raise InputError(
            "this prior has no such option", field=f"prior {kind}", got=", ".join(options)
        ) from None


__all__ = ["PRIORS", "Cost", "Knob", "Prior", "load_prior"]
