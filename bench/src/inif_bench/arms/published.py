"""Fields as published, for the record: one network per image, float32 weights, no coding.

SIREN with a fixed frequency of 30, and the paper's own network with a learnable one from 90, both
by Adamax 2e-3 with a cosine (the authors' default for SIREN; their learned optimizer's weights are
not part of this package). Time is limited, because a rival that may take hours is no rival.

One deviation helps them: intensities are fitted in [-1, 1], not in [0, 100].
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from inif.bricks import plan
from inif.config import FitSettings
from inif.decode.brick import BrickDecoder, Intensities
from inif.errors import FormatError
from inif.fields.field import count_weights
from inif.fields.siren import Siren
from inif.frames import Geometry
from inif.image import Image
from inif.metrics.fidelity import Ranges
from inif_bench.arms.base import Encoded, Options, Session
from inif_bench.payload import pack, unpack

if TYPE_CHECKING:
    from inif.encode.siren.fit import FitResult

_POINTS = 32768
_WORK = 1e9  # weights times points of a step, at most: several steps must fit the time limit
_STEPS = 1_000_000  # never reached: time ends the fit


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
        field = widest(geometry, len(stream))
        weights = np.frombuffer(stream, "<f4")
        if weights.size != count_weights(field):
            raise FormatError("this is no network", expected=count_weights(field), got=weights.size)
        sizes = [int(np.prod(shape)) for shape in field.group_shapes]
        parts = np.split(weights, np.cumsum(sizes)[:-1])
        groups = [p.reshape(s) for p, s in zip(parts, field.group_shapes, strict=True)]
        return decode_field(field, groups, geometry)


@dataclass(frozen=True)
class _Session:
    arm: PublishedField
    image: Image
    ranges: Ranges
    options: Options

    def encode(self, budget: int) -> Encoded:
        image = self.image
        geometry = Geometry(image.axes, image.data.shape, image.data.dtype.name, self.ranges)
        field = widest(geometry, budget - len(pack(geometry, [b""])))
        begin = time.perf_counter()
        points = min(_POINTS, max(2048, 1 << int(np.log2(_WORK / count_weights(field)))))
        settings = FitSettings(
            optimizer="adamax:0.002",
            steps=_STEPS,
            points=points,
            seed=self.options.seed,
            omega=self.arm.omega,
            time_limit=self.options.seconds,
            check_every=50,
        )
        result = fit_published(field, image, geometry, settings, learnable=self.arm.learnable)
        weights = np.concatenate([g[0].ravel() for g in result.groups]).astype("<f4")
        data = pack(geometry, [weights.tobytes()])
        seconds = time.perf_counter() - begin
        details = {
            "width": field.width,
            "weights": count_weights(field),
            "steps": result.steps,
            "points": points,
            "seconds": self.options.seconds,
            "frequency": round(float(result.frequency[0]), 4),
        }
        return Encoded(data, len(data) <= budget, details, 1, seconds, seconds)


def widest(geometry: Geometry, size: int) -> Siren:
    """The widest network whose float32 weights take at most `size` bytes."""
    inputs, width = len(geometry.axes), 1
    while 4 * count_weights(Siren(inputs, 1, width + 1)) <= size:
        width += 1
    return Siren(inputs, 1, width)


def fit_published(
    field: Siren, image: Image, geometry: Geometry, settings: FitSettings, *, learnable: bool
) -> FitResult:
    """Fit one network to a whole image, from the start values of the SIREN paper's public code."""
    import jax
    import jax.numpy as jnp

    from inif.encode.siren.fit import Fitter
    from inif.encode.siren.sampling import Sampler

    class Published(Fitter):
        def _start(self, targets: jax.Array) -> Any:
            state = super()._start(targets)
            rng = np.random.default_rng(self.settings.seed)
            width, inputs = self.field.width, self.field.inputs
            first = rng.uniform(-1, 1, (1, 1, width)) / np.sqrt(inputs)
            rest = rng.uniform(-1, 1, (1, self.field.layers - 2, width)) / np.sqrt(width)
            biases = jnp.asarray(np.concatenate([first, rest], axis=1), jnp.float32)
            last = jnp.zeros_like(state.params.last_bias)
            return state._replace(params=state.params._replace(biases=biases, last_bias=last))

        def _loss(self, params: Any, coords: Any, targets: Any, steps: Any) -> Any:
            if not learnable:
                params = params._replace(shift=jax.lax.stop_gradient(params.shift))
            return super()._loss(params, coords, targets, steps)

    intensities = Intensities(np.array(geometry.ranges), image.data.dtype)
    grid = plan(image.axes, image.data.shape, 1)
    sampler = Sampler(image.data, image.axes, grid, intensities, False)
    return Published(field, sampler, settings).run()


def decode_field(field: Siren, groups: list[np.ndarray], geometry: Geometry) -> np.ndarray:
    """Every sample of an image out of one network."""
    intensities = Intensities(np.array(geometry.ranges), np.dtype(geometry.dtype))
    decoder = BrickDecoder(field, groups, geometry.axes, geometry.shape, 0, intensities, False)
    return decoder.grid([np.arange(n) for n in geometry.shape])
