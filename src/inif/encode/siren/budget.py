"""Landing on the byte budget: choose step sizes so that the written file is just within it.

The size is known only after entropy coding, so a fast estimate is corrected against what packing
really gives, a few times; what is then missing to target ≤ ratio ≤ 1.01 × target is padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inif.coding import qweights
from inif.coding.check import Check
from inif.encode.siren import step_sizes

ROUNDS = 40
_GOAL, _ENOUGH = 0.997, 0.994
"""Parts of the room that landing aims at and is content with."""


@dataclass
class StepControl:
    """Step sizes for a byte budget; the fit asks it for them, the writer takes the last ones.

    Attributes
    ----------
    payload
        Bytes that all QWTS sections together may take.
    voxels
        (bricks,) samples of each brick.
    """

    payload: float
    voxels: np.ndarray
    exponents: np.ndarray | None = None
    base: float = 1e-2
    correction: float = 1.02

    def steps(self, groups: list[np.ndarray], sensitivity: np.ndarray | None) -> np.ndarray:
        """Step sizes (bricks, groups) at which the weights take the budget."""
        if sensitivity is not None or self.exponents is None:
            if sensitivity is None:
                raise ValueError("the first call needs the sensitivity")
            self.exponents = step_sizes.exponents(sensitivity, self.voxels)
        exps = self.exponents
        fixed = len(self.voxels) * fixed_bytes(len(groups))

        def size(base: float) -> float:
            return fixed + self.correction * step_sizes.entropy_bytes(groups, exps, base)

        self.base = step_sizes.solve_base(size, self.payload * 0.995, self.base)
        return step_sizes.step_table(self.base, step_sizes.reachable(groups, exps, self.base))

    def land(
        self, groups: Sequence[np.ndarray], largest: int
    ) -> tuple[list[qweights.QuantizedWeights], int]:
        """Quantise so that the packed sections take at most `largest` bytes, and nearly that.

        Returns
        -------
        quantized
            One per brick.
        size
            Bytes of all their sections.
        """
        assert self.exponents is not None
        count = sum(g.size for g in groups)
        goal = largest * _GOAL
        low, high, base = 0.0, np.inf, self.base
        best: tuple[list[qweights.QuantizedWeights], int] | None = None
        finest = step_sizes.finest_base(groups)
        for _ in range(ROUNDS):
            quantized = quantize_all(groups, self.exponents, base)
            size = packed_bytes(quantized)
            if size <= largest:
                high = base
                if best is None or size > best[1]:
                    best = quantized, size
                if size > largest * _ENOUGH:
                    break
            else:
                low = base
            tried = base
            # Halving every step costs about one bit per weight.
            base *= 2.0 ** float(np.clip(8 * (size - goal) / count, -4, 4))
            if not low < base < high:
                base = float(np.sqrt(low * high)) if low > 0 and high < np.inf else base
            base = min(max(base, finest), qweights.LARGEST_BASE)
            if base == tried:  # even the finest weights leave room, or the coarsest have none
                break
        if best is None:
            raise ValueError("no step size fits the budget")
        self.base = best[0][0].base
        return best


def fixed_bytes(groups: int) -> int:
    """Bytes of a QWTS section besides the coded symbols, plus its entry in the section table."""
    from inif.container.spec import ENTRY_SIZE

    return qweights.fixed_bytes(groups) + 4 + ENTRY_SIZE


def quantize_all(
    groups: Sequence[np.ndarray], exps: np.ndarray, base: float
) -> list[qweights.QuantizedWeights]:
    """Every brick's weights, rounded to the steps of `base` and `exps` (`step_sizes.reachable`)."""
    exps = step_sizes.reachable(groups, exps, base)
    return [
        qweights.quantize([g[b] for g in groups], base, [int(k) for k in exps[b]])
        for b in range(len(exps))
    ]


def packed_bytes(quantized: Sequence[qweights.QuantizedWeights]) -> int:
    """Bytes of all bricks' sections, as packing gives them."""
    return sum(len(qweights.pack(q, Check())) for q in quantized)
