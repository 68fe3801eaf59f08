"""What a compression is asked for: the options of the public verb, checked without an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from inif.config import FitSettings, Target
from inif.errors import InputError, UnsupportedError
from inif.samples import machine_memory

METHODS = ("auto", "siren", "hybrid", "latent")

LEAST_MEMORY = 1 << 30


@dataclass(frozen=True)
class Asked:
    """What is asked for.

    Attributes
    ----------
    target
        None: the very samples.
    settings, method, effort, codec, select, share, guides
        As `inif.encode.job.Job` has them; `codec` is None where none is named.
    memory
        Bytes that bricks that are coded at once may take; None: a quarter of the machine's.
    """

    target: Target | None
    settings: FitSettings
    method: str = "auto"
    effort: int = 3
    codec: str | None = None
    select: str = "psnr"
    share: float = 0.0
    guides: tuple[str, ...] = ()
    memory: int | None = None

    @property
    def any_type(self) -> bool:
        """Whether samples of any type are taken."""
        return self.target is None or self.target.bounded


def check_asked(
    *,
    ratio: float | None = None,
    size: int | None = None,
    psnr: float | None = None,
    max_error: float | str | None = None,
    method: str = "auto",
    codec: str | None = None,
    select: str = "psnr",
    share: float = 0.0,
    effort: int = 3,
    optimizer: str = "auto",
    guide: str | Sequence[str] = (),
    lossless: bool = False,
    seed: int = 0,
    time_limit: float | None = None,
    keep_partial: bool = False,
    memory: int | None = None,
    settings: dict[str, Any] | None = None,
) -> Asked:
    """The options of `compress`, checked as far as that needs no image.

    Raises
    ------
    InputError, BudgetError, UnsupportedError
        One cannot be used, or not with another.
    """
    if lossless or max_error is not None:
        _alone(
            "lossless" if lossless else "max_error",
            max_error=max_error if lossless else None,
            ratio=ratio,
            size=size,
            psnr=psnr,
            method=None if method == "auto" or (method == "latent" and not lossless) else method,
            codec=codec,
            select=None if select == "psnr" else select,
            share=share or None,
            guide=guide or None,
            optimizer=None if optimizer == "auto" else optimizer,
            time_limit=time_limit,
            keep_partial=keep_partial or None,
            settings=settings or None,
        )
    method = _method(method, codec=codec, share=share, select=select)
    target = Target.of_options(
        ratio=ratio, size=size, psnr=psnr, max_error=max_error, lossless=lossless
    )
    guides = (guide,) if isinstance(guide, str) else tuple(guide)
    if guides and method == "latent" and psnr is not None:
        raise InputError(
            "a latent field is guided only within a number of bytes",
            field="guide",
            got=", ".join(guides),
            fix="ask for a size or a ratio, or name hybrid or siren",
        )
    named = {
        "optimizer": optimizer,
        "seed": _seed(seed),
        "time_limit": _positive(time_limit),
        "keep_partial": keep_partial,
    }
    chosen = FitSettings.for_effort(effort, **(named | _known(settings)))
    if optimizer != "auto":
        from inif.optim.optimizers import parse

        parse(optimizer)

    bound = check_memory_option(memory)
    return Asked(target, chosen, method, effort, codec, select, share, guides, bound)


def checked_guides(guides: Sequence[str]) -> None:
    """Refuse guides that cannot be used, before the work."""
    from inif.guidance.masks import masks_only

    if not masks_only(guides):
        from inif.guidance.guides import check

        check(guides)


def default_memory() -> int:
    """A quarter of the machine's memory in bytes, at least 1 GB."""
    return max((machine_memory() or 0) // 4, LEAST_MEMORY)


def check_memory_option(memory: object) -> int | None:
    """The memory asked for, in bytes.

    Raises
    ------
    InputError
        It is no number of bytes, or too few.
    """
    if memory is None:
        return None
    if isinstance(memory, bool) or not isinstance(memory, int) or memory < LEAST_MEMORY // 4:
        raise InputError(
            "this bound of the memory cannot be used",
            field="memory",
            expected=f"at least {LEAST_MEMORY // 4} bytes",
            got=memory,
        )
    return memory


def _method(method: str, *, codec: str | None, share: float, select: str) -> str:
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


def _known(settings: dict[str, Any] | None) -> dict[str, Any]:
    """Changes to settings that there are."""
    changes, names = dict(settings or {}), [f.name for f in fields(FitSettings)]
    if unknown := changes.keys() - set(names):
        raise InputError(
            "there is no setting of this name",
            field="settings",
            expected=" or ".join(names),
            got=", ".join(sorted(unknown)),
        )
    return changes


def _alone(name: str, **asked: object) -> None:
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


def _seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**31:
        raise InputError(
            "this seed cannot be used", field="seed", expected="0 … 2147483647", got=seed
        )
    return seed


def _positive(seconds: float | None) -> float | None:
    if seconds is not None and not seconds > 0:
        raise InputError(
            "this time limit cannot be used", field="time_limit", expected="> 0", got=seconds
        )
    return seconds
