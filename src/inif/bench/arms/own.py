"""inif's own methods as arms, through the same public verb that users call."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.bench.arms.base import Encoded, Options, Session
from inif.errors import BudgetError
from inif.image import Image
from inif.metrics.fidelity import Ranges


@dataclass(frozen=True)
class InifArm:
    """One of inif's methods; effort and seed are the run's."""

    name: str
    title: str
    method: str
    family: str = "inif"

    @property
    def settings(self) -> dict[str, Any]:
        """How it is called; the effort stands in each cell."""
        return {"call": f"inif.compress(image, size=budget, method={self.method!r}, effort, seed)"}

    def missing(self) -> str | None:
        """It is always there."""
        return None

    def start(self, image: Image, ranges: Ranges, options: Options) -> Session:
        """Begin work on an image."""
        return _Session(self, image, options)

    def decode(self, data: bytes, threads: int) -> np.ndarray:
        """The image that a file holds."""
        import inif

        with inif.open(data) as file:
            return np.asarray(file)


@dataclass(frozen=True)
class _Session:
    arm: InifArm
    image: Image
    options: Options

    def encode(self, budget: int) -> Encoded:
        """One file.

        Raises
        ------
        BudgetError
            The budget is below what any file needs.
        """
        import inif

        begin = time.perf_counter()
        file = inif.compress(
            self.image,
            size=budget,
            method=self.arm.method,
            effort=self.options.effort,
            seed=self.options.seed,
        )
        data = file.to_bytes()
        seconds = time.perf_counter() - begin
        if len(data) > budget:
            raise BudgetError("the file is over its budget", expected=budget, got=len(data))
        lossy = file.header["lossy"]
        details = {
            "effort": self.options.effort,
            "bricks": len(file.grid),
            **{k: lossy[k] for k in ("method", "steps", "optimizer") if k in lossy},
        }
        return Encoded(data, True, details, 1, seconds, seconds)
