"""inif's own methods as arms, through the same public verb that users call."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.errors import BudgetError
from inif.image import Image
from inif.metrics.fidelity import Ranges
from inif_bench.arms.base import Encoded, Options, Session
from inif_bench.unseen import unseen


@dataclass(frozen=True)
class InifArm:
    """One of inif's methods; the seed is the run's, and the effort where none is given.

    Images that the shipped network of the repair learned from get the network that has not
    seen them (`inif_bench.unseen`).
    """

    name: str
    title: str
    method: str
    effort: int | None = None
    family: str = "inif"

    @property
    def settings(self) -> dict[str, Any]:
        """How it is called; the effort stands in each cell."""
        effort = "effort" if self.effort is None else f"effort={self.effort}"
        call = f"inif.compress(image, size=budget, method={self.method!r}, {effort}, seed)"
        if self.method == "siren":
            return {"call": call}
        return {"call": call, "network": "one that has not seen the image"}

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

        effort = self.arm.effort or self.options.effort
        start = {} if self.arm.method == "siren" else {"network": unseen(self.image.data)}
        begin = time.perf_counter()
        file = inif.compress(
            self.image,
            size=budget,
            method=self.arm.method,
            effort=effort,
            seed=self.options.seed,
            settings=start,
        )
        data = file.to_bytes()
        seconds = time.perf_counter() - begin
        if len(data) > budget:
            raise BudgetError("the file is over its budget", expected=budget, got=len(data))
        lossy = file.header["lossy"]
        details = {
            "effort": effort,
            "bricks": len(file.grid),
            **{k: lossy[k] for k in ("method", "auto", "steps", "optimizer") if k in lossy},
            **{k: file.header[k] for k in ("codec",) if k in file.header},
            **({"field": file.header["field"]} if "codec" in file.header else {}),
        }
        return Encoded(data, True, details, 1, seconds, seconds)
