"""Frozen settings that pass between the rooms, and the progress that long work reports."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from inif.errors import BudgetError, InputError, format_size

_BASE_STEPS = 250
_GROWTH = 2.0
_SPAN = Fraction(101, 100)
"""How far a file's ratio may be above its target."""


@dataclass(frozen=True)
class ProgressEvent:
    """How far long work is.

    Attributes
    ----------
    stage
        What is going on: "read", "choose" (a codec), "trial", "encode", "repair", "correct", "fit",
        "pack", "check", "write"; "trial MODE" for fits that are compared.
    step, steps
        Steps done and steps in all, of this round: a search encodes or fits several times.
    psnr
        Quality so far in dB, an estimate on a sample; None where there is none yet.
    seconds, eta
        Time since the stage began, and to its end; None where it is not known.
    rate
        Bytes of samples in a second; None where it is not known.
    """

    stage: str
    step: int
    steps: int
    psnr: float | None
    seconds: float
    eta: float | None
    rate: float | None = None


@dataclass(frozen=True)
class Window:
    """The sizes in bytes that a file may have: from `least` to `most`, both of them allowed."""

    least: int
    most: int

    @classmethod
    def of_size(cls, most: int) -> Window:
        """From `most` / 1.01 to `most`."""
        least = math.ceil(most / _SPAN)
        while least < most / float(_SPAN) or least * float(_SPAN) < most:  # floats round
            least += 1
        return cls(least, most)

    @classmethod
    def of_ratio(cls, raw_bytes: int, ratio: float) -> Window:
        """All sizes with ratio ≤ raw bytes / size ≤ 1.01 × ratio; `least` > `most` if none is so.

        Computed exactly, and narrowed where the same in floating point would leave a size out.
        """
        most = math.floor(raw_bytes / Fraction(ratio))
        least = math.ceil(raw_bytes / (Fraction(ratio) * _SPAN))
        while raw_bytes / least > float(_SPAN) * ratio:
            least += 1
        return cls(least, most)

    def __contains__(self, size: int) -> bool:
        return self.least <= size <= self.most


@dataclass(frozen=True)
class Target:
    """What the file must meet: exactly one of a ratio, a size in bytes, a PSNR in dB, or a bound.

    Attributes
    ----------
    ratio, size, psnr
        Raw bytes over bytes of the file, these bytes, and dB.
    max_error, max_error_share
        By how much any sample may be off: in the samples' unit, or as a share of the range of its
        channel.
    """

    ratio: float | None = None
    size: int | None = None
    psnr: float | None = None
    max_error: float | None = None
    max_error_share: float | None = None

    def __post_init__(self) -> None:
        given = {k: v for k, v in asdict(self).items() if v is not None}
        if len(given) != 1:
            raise InputError(
                "ask for exactly one target",
                field="target",
                expected="one of ratio, size, psnr, max_error",
                got=", ".join(given) or "none",
            )
        name, value = next(iter(given.items()))
        low = 1 if name in ("ratio", "size") else 0
        if not low <= value < float("inf"):
            raise InputError(
                "this target cannot be used", field=name, expected=f"a number ≥ {low}", got=value
            )

    @classmethod
    def of_bound(cls, bound: float | str) -> Target:
        """A bound as users write it: 3, "0.25", or "0.5%" of the range.

        Raises
        ------
        InputError
            Not a number of at least 0, with a % or without.
        """
        text = str(bound).strip()
        share = text.endswith("%")
        try:
            value = Fraction(text.removesuffix("%").strip())
        except (ValueError, ZeroDivisionError):
            value = Fraction(-1)
        if isinstance(bound, bool) or value < 0 or (share and value > 100):
            raise InputError(
                "this bound cannot be used",
                field="max_error",
                expected="a number ≥ 0, as in 3 or 0.25, or a share of the range, as in 0.5%",
                got=bound,
            )
        if share:
            return cls(max_error_share=float(value / 100))
        return cls(max_error=float(value))

    @property
    def bounded(self) -> bool:
        """Whether the target is a bound of the error."""
        return self.max_error is not None or self.max_error_share is not None

    @property
    def exact(self) -> bool:
        """Whether the target is a bound of 0."""
        return 0 in (self.max_error, self.max_error_share)

    @classmethod
    def of_options(
        cls,
        *,
        ratio: float | None = None,
        size: int | None = None,
        psnr: float | None = None,
        max_error: float | str | None = None,
        lossless: bool = False,
    ) -> Target | None:
        """What `inif.compress` is asked for: ratio 128 where it is nothing; None: exact samples.

        Raises
        ------
        InputError
            A number that cannot be used, or several targets.
        """
        if max_error is not None:
            return cls.of_bound(max_error)
        if lossless:
            return None
        if ratio is None and size is None and psnr is None:
            ratio = 128.0
        return cls(ratio, size, psnr)

    def window(self, raw_bytes: int, file: object = None) -> Window | None:
        """The sizes that a file for an image of so many bytes may have; None where any may be.

        Raises
        ------
        BudgetError
            A size that is not below the image's own, or a ratio between those of two neighbouring
            sizes.
        """
        if self.size is not None:
            if self.size >= raw_bytes:
                raise BudgetError(
                    "the file would not be smaller than the image: the image itself has "
                    + format_size(raw_bytes),
                    file=file,
                    field="size",
                    expected=f"fewer than {raw_bytes} bytes",
                    got=f"{int(self.size)} bytes",
                    fix="ask for a smaller size, or keep the samples with --lossless",
                )
            return Window.of_size(int(self.size))
        if self.ratio is None:
            return None
        window = Window.of_ratio(raw_bytes, self.ratio)
        if window.least > window.most:
            near = [
                max(1, math.ceil(1000 * raw_bytes / n - 1) / 1000)  # a little below, to be met
                for n in (window.most + 1, window.most)
                if 0 < n <= raw_bytes
            ]
            raise BudgetError(
                "no whole number of bytes has this ratio: the image itself has "
                + format_size(raw_bytes),
                file=file,
                field="ratio",
                expected=" or ".join(f"{ratio:.12g}" for ratio in near),
                got=self.ratio,
                fix="no file is as small as that: ask for a ratio that leaves some hundred bytes",
            )
        return window

    def to_json(self) -> dict[str, float | int]:
        """The one target that is set."""
        return {k: v for k, v in asdict(self).items() if v is not None}

    @classmethod
    def from_json(cls, obj: dict[str, Any]) -> Target:
        """The inverse of `to_json`."""
        return cls(**obj)


@dataclass(frozen=True)
class FitSettings:
    """Everything a fit depends on besides image and field.

    Attributes
    ----------
    optimizer
        "auto", a name, or "name:rate".
    steps
        Optimizer steps.
    points
        Random voxels per brick and step.
    seed
        Of everything random.
    omega
        Starting frequency of the sines.
    round_from
        Share of the fit after which weights are rounded as the file will round them.
    bits_per_weight
        What a coded weight is expected to take; sets the width for a budget.
    check_every
        Steps between two looks at the validation voxels.
    time_limit
        Seconds for the fit, or None.
    keep_partial
        Whether Ctrl-C ends the fit with the best so far instead of raising.
    network
        The shipped network of a hybrid's repair, one of `inif.fields.repair.NETWORKS`.
    """

    optimizer: str = "auto"
    steps: int = 500
    points: int = 4096
    seed: int = 0
    omega: float = 30.0
    round_from: float = 0.7
    bits_per_weight: float = 6.0
    check_every: int = 50
    time_limit: float | None = None
    keep_partial: bool = False
    network: str = "a"

    @classmethod
    def for_effort(cls, effort: int, **changes: Any) -> FitSettings:
        """Settings for an effort of 1 to 9; each doubles the steps of a fit.

        Raises
        ------
        InputError
            An effort that is not 1 … 9.
        """
        check_effort(effort)
        steps = int(_BASE_STEPS * _GROWTH ** (effort - 1))
        return cls(**{"steps": steps, **changes})

    def to_json(self) -> dict[str, Any]:
        """All settings."""
        return asdict(self)

    @classmethod
    def from_json(cls, obj: dict[str, Any]) -> FitSettings:
        """The inverse of `to_json`."""
        return cls(**obj)


def check_effort(effort: object) -> None:
    """Refuse an effort that is not 1 … 9.

    Raises
    ------
    InputError
        It is none of these whole numbers.
    """
    if isinstance(effort, bool) or not isinstance(effort, int) or not 1 <= effort <= 9:
        raise InputError("this effort cannot be used", field="effort", expected="1 … 9", got=effort)
