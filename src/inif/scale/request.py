"""What is asked for of a whole store, checked before the work."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from typing import Any

from inif.config import Target, check_effort
from inif.errors import InputError
from inif.scale.plan import ArrayPlan, Tree


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes
    ----------
    target
        None: the very samples.
    effort
        1 to 9.
    """

    target: Target | None
    effort: int = 3

    @classmethod
    def of(
        cls,
        *,
        ratio: float | None = None,
        size: int | None = None,
        psnr: float | None = None,
        max_error: float | str | None = None,
        lossless: bool = False,
        effort: int = 3,
    ) -> Request:
        """From what users say.

        Raises
        ------
        InputError
            No such target or effort, or several targets.
        """
        named = {"ratio": ratio, "size": size, "psnr": psnr, "max_error": max_error}
        given = [name for name, value in named.items() if value is not None]
        given += ["lossless"] * lossless
        if len(given) > 1:
            raise InputError(
                "a store has one target",
                field=" ".join(given),
                expected="one of ratio, size, psnr, max_error and lossless",
                got=f"{len(given)} of them",
            )
        check_effort(effort)
        target = Target.of_options(
            ratio=None if ratio is None else float(ratio),  # so that 20 and 20.0 are one request
            size=None if size is None else int(size),
            psnr=None if psnr is None else float(psnr),
            max_error=max_error,
            lossless=lossless,
        )
        return cls(None if target is None or target.exact else target, effort)

    @property
    def bounded(self) -> bool:
        """Whether the error of every sample is bounded."""
        return self.target is not None and self.target.bounded

    def to_json(self) -> dict[str, Any]:
        """For the manifest and the store's own record."""
        target = self.target.to_json() if self.target else {"lossless": True}
        return {"target": target, "effort": self.effort}


def is_lossy(plan: ArrayPlan, request: Request) -> bool:
    """Whether an array may lose detail."""
    return plan.kind == "image" and request.target is not None


def raw_bytes(tree: Tree) -> int:
    """Bytes of the samples of all images at full resolution; of everything where there is none."""
    images = [p for p in tree.arrays if p.kind == "image" and p.level == 0]
    return sum(_bytes(plan) for plan in images or tree.arrays)


def _bytes(plan: ArrayPlan) -> int:
    return math.prod(plan.shape) * plan.dtype.itemsize


def fingerprint(tree: Tree, source: str | os.PathLike[str] | None) -> dict[str, Any]:
    """What must not change while a store is written: the input's arrays, and how they are cut.

    Whether the samples of a store are still the same is not looked at: that would be to read them.
    """
    facts = [
        (p.path, p.axes, p.shape, p.dtype.str, p.chunks, p.shards, p.kind, p.image, p.level)
        for p in tree.arrays
    ]
    local = source is not None and os.path.exists(source)
    found: dict[str, Any] = {
        "input": os.path.realpath(source) if source is not None and local else tree.name,
        "arrays": hashlib.sha256(repr(facts).encode()).hexdigest()[:32],
    }
    if source is not None and os.path.isfile(source):
        said = os.stat(source)
        found |= {"bytes": said.st_size, "changed": said.st_mtime}
    return found
