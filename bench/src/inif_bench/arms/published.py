"""Fields as published, for the record: one network per image, float32 weights, no coding.

SIREN with a fixed frequency of 30, and the paper's own network with a learnable one from 90, both
by Adamax 2e-3 with a cosine (the authors' default for SIREN; their learned optimizer's weights are
not part of this package). Time is limited, because a rival that may take hours is no rival.

One deviation helps them: intensities are fitted in [-1, 1], not in [0, 100].
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.errors import FormatError
from inif.fields.field import count_weights
from inif.frames import Geometry
from inif.image import Image
from inif.metrics.fidelity import Ranges
from inif_bench.arms.base import Encoded, Options, Session
from inif_bench.arms.siren import decoded, fit, widest
from inif_bench.payload import pack, unpack

_POINTS = 32768
_WORK = 1e9  # weights times points of a step, at most: several steps must fit the time limit


@dataclass(frozen=True)
class PublishedField:
    """A SIREN as published.

    Attributes
    ----------
    name, title
        Of the arm.
    omega
        Starting frequency.
    learnable
        Whether the frequency is fitted too.
    """

    name: str
    title: str
    omega: float
    learnable: bool
    family: str = "published"

    @property
    def settings(self) -> dict[str, Any]:
        """How the field is fitted."""
        return {
            "network": "7 layers, one network per image, every axis a coordinate",
            "frequency": f"{self.omega:g}, {'learnable' if self.learnable else 'fixed'}",
            "weights": "float32, 4 bytes each, not coded",
            "optimizer": "Adamax 2e-3, cosine",
            "points per step": f"{_POINTS}, fewer for large networks (see each cell)",
            "steps": "as many as the time limit allows (see each cell)",
        }

    def missing(self) -> str | None:
        """Nothing is ever missing: it needs what inif needs."""
        return None

    def start(self, image: Image, ranges: Ranges, options: Options) -> Session:
        """Begin work on an image."""
        return _Session(self, image, ranges, options)

    def decode(self, data: bytes, threads: int) -> np.ndarray:
        """The image that a file holds.

        Raises
        ------
        FormatError
            The bytes are not those of a network.
        """
        geometry, (stream,) = unpack(data)
        network = widest(len(geometry.axes), len(stream))
        weights = np.frombuffer(stream, "<f4")
        if weights.size != count_weights(network):
            raise FormatError(
                "this is no network", expected=count_weights(network), got=weights.size
            )
        return decoded(network, weights, geometry)


@dataclass(frozen=True)
class _Session:
    arm: PublishedField
    image: Image
    ranges: Ranges
    options: Options

    def encode(self, budget: int) -> Encoded:
        import optax

        image = self.image
        geometry = Geometry(image.axes, image.data.shape, image.data.dtype.name, self.ranges)
        network = widest(len(image.axes), budget - len(pack(geometry, [b""])))
        begin = time.perf_counter()
        points = min(_POINTS, max(2048, 1 << int(np.log2(_WORK / count_weights(network)))))
        found = fit(
            network,
            image.data,
            geometry,
            optax.adamax(2e-3),
            omega=self.arm.omega,
            learnable=self.arm.learnable,
            points=points,
            seconds=self.options.seconds,
            seed=self.options.seed,
        )
        data = pack(geometry, [found.weights.astype("<f4").tobytes()])
        seconds = time.perf_counter() - begin
        details = {
            "width": network.width,
            "weights": count_weights(network),
            "steps": found.steps,
            "points": points,
            "seconds": self.options.seconds,
            "frequency": round(found.frequency, 4),
        }
        return Encoded(data, len(data) <= budget, details, 1, seconds, seconds)
