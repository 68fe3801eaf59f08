"""What is known beside a latent, and the contexts that are made from it; see band.cpp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from inif.latent.reference.mixing import Array, Model, functions, level_of

ABOVE, BESIDE = 3, 4
"""Margins of a plane, so that no neighbour is outside."""


class Surroundings:
    """What is known beside the latents of a band, with margins; places may be arrays of places."""

    def __init__(
        self,
        shape: Sequence[int],
        earlier: Array,
        parent: Array | None,
        parent_of: Array,
        siblings: Array,
        sibling_of: Array,
    ) -> None:
        planes, height, width = shape
        # The last plane stays zero, for planes that there are not.
        self.latents = np.zeros((planes + 1, height + 2 * ABOVE, width + 2 * BESIDE), np.int64)
        self.earlier = np.where(earlier < 0, planes, earlier)
        self.siblings, self.sibling_of = siblings, sibling_of
        self.parent, self.parents = parent_sums(parent)
        self.parent_of = parent_of

    def parent_place(self, i: Any, y: Any, x: Any) -> tuple[Any, Any, Any]:
        """Index into `parent` of the parent of a latent."""
        _, height, width = self.parent.shape
        up, left = np.minimum(y >> 1, height - 3), np.minimum(x >> 1, width - 3)
        return self.parent_of[i] + 1, up + 1, left + 1

    def neighbours(self, i: Any, y: Any, x: Any) -> list[Any]:
        """16 magnitudes, and sums of some, beside a latent."""

        def of(plane: Any, *places: tuple[int, int]) -> Any:
            found = [self.latents[plane, y + ABOVE + a, x + BESIDE + b] for a, b in places]
            return sum(abs(v) for v in found)

        sides, corners = ((0, -1), (0, 1), (-1, 0), (1, 0)), ((-1, -1), (-1, 1), (1, -1), (1, 1))
        u, v, t = (self.earlier[i, k] for k in range(3))
        out = [of(i, (0, -1)), of(i, (-1, 0)), of(i, (-1, -1), (-1, 1)), of(i, (0, -2), (-2, 0))]
        out.append(of(i, (-2, -1), (-2, 1), (-1, -2), (-1, 2), (0, -3), (-3, 0)))
        out += [of(u, (0, 0)), of(u, *sides), of(u, *corners)]
        out += [of(v, (0, 0)), of(v, *sides), of(t, (0, 0)), of(t, *sides)]
        place = self.parent_place(i, y, x)
        out += [self.parent[place], self.parents[place]]
        s, j = self.siblings, self.sibling_of[i]
        beside = [(0, 0, -1), (0, 0, 1), (0, -1, 0), (0, 1, 0), (-1, 0, 0), (1, 0, 0)]
        out.append(s[j, y + 1, x + 1] + 0)
        out.append(sum(s[j + a, y + 1 + b, x + 1 + c].astype(np.int64) for a, b, c in beside))
        return out


def parent_sums(parent: Array | None) -> tuple[Array, Array]:
    """A parent's magnitudes and the weighted sums around them, padded by one all around."""
    if parent is None:
        none = np.zeros((3, 3, 3), np.int64)
        return none, none
    own = np.pad(np.minimum(np.abs(parent.astype(np.int64)), 255), 1)
    wide = np.pad(own, 1)
    sums = np.zeros_like(own)
    for a in (-1, 0, 1):
        for b in (-1, 0, 1):
            for c in (-1, 0, 1):
                weight = 3 - abs(a) - abs(b) - abs(c)
                d, h, w = (
                    slice(1 + k, n + 1 + k) for k, n in zip((a, b, c), own.shape, strict=True)
                )
                sums += weight * wide[d, h, w]
    inner = np.zeros_like(own)
    inner[1:-1, 1:-1, 1:-1] = np.minimum(sums[1:-1, 1:-1, 1:-1], 1000)
    return own, inner


class Seen(NamedTuple):
    """Contexts of a latent."""

    zero: list[int]
    selector: int
    other: int
    rest: tuple[int, int, int, int]


def contexts(model: Model, level: int, kind: int, neighbours: Sequence[int]) -> Seen:
    """Contexts made from what stands beside a latent."""
    w, n, d, ww, far, u0, u4, ud, v0, v4, t0, t4, own, around, s0, sn = (int(k) for k in neighbours)
    q, B, L = level_of, level * 8 + kind, level
    near = 2 * (w + n + u0) + d + u4
    wide = near + ww + ud + far + v0 + (v4 >> 1) + t0
    weights = model.expectation[min(L, 3) * 8 + kind]
    expected = int((weights[:16] * np.array(neighbours, np.int64)).sum() + weights[16]) >> 4
    active = functions().activity[min(max(expected, 0), 2047)]
    qn, qw, qp, qs = q(near), q(wide), q(around // 3), q(2 * s0 + sn)
    w2, n2, u2 = min(w, 2), min(n, 2), min(u0, 2)
    zero = [
        B * 15 + qn,
        B * 15 + qw,
        (((B * 3 + w2) * 3 + n2) * 3 + u2) * 3 + min(d, 2),
        (B * 15 + q(around // 2)) * 3 + min(own, 2),
        (B * 15 + qn) * 15 + qp,
        (B * 15 + qw) * 15 + qs,
        (B * 4 + min(s0, 3)) * 15 + q(sn),
        ((B * 15 + qw) * 15 + qp) * 3 + min(s0, 2),
        (((B * 3 + u2) * 3 + min(v0, 2)) * 8 + min(q(u4), 7)) * 8 + min(q(ud), 7),
        B * 15 + q(wide + around // 2 + 2 * s0 + sn),
        (B * 15 + q(2 * v0 + v4)) * 15 + qn,
        (L * 15 + qn) * 15 + q(around // 3 + s0),
        (B * 15 + q(2 * t0 + t4)) * 15 + qn,
        (B * 15 + q(2 * t0 + t4 + 2 * v0 + v4)) * 15 + q(2 * w + 2 * n + d),
        (B * 24 + active) * 3 + u2,
        (((L * 24 + active) * 3 + w2) * 3 + n2) * 3 + u2,
    ]
    selector = B * 15 + q(wide + around // 2 + sn + s0 + t0 + t4)
    return Seen(zero, selector, L * 24 + active, (qw, q(around), qs, qn))
