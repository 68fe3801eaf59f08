"""A clean image that shows a guide what is wanted where the image itself is noisy.

If it shows the same scene, the wanted patch is the one at the same place. If it is another scene,
as in the paper (Fig. 6), it is a patch anywhere in it. Either way its intensities are first
brought to those of the image by a straight line for each channel, fixed before the fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from inif.bricks import parts_of
from inif.errors import InputError
from inif.guidance.boxes import Boxes
from inif.image import ImageSource
from inif.metrics.matching import line

LEAST_SIDE = 56
"""Samples along Y and X of a clean image of another scene: one box of planes."""

_ALIKE = 0.1  # correlation from which two images of one shape show the same scene
_MOST = 1 << 20  # samples to match intensities by
_QUANTILES = np.linspace(0.05, 0.95, 19)
_FAR = 3.0  # robust standard deviations: what lies beyond does not count in the second round
_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class CleanImage:
    """A clean image, matched to an image.

    Attributes
    ----------
    data
        Samples, any real dtype.
    axes
        One letter of "TCZYX" per axis.
    letters
        The axes of the image but C, in its order.
    gain, offset
        (channels of the image,) what makes a sample of the clean image one from 0 to 1 over the
        range of the image's channel.
    registered
        Whether it shows the same scene, sample by sample.
    seed
        Of the patches, where it does not.
    """

    data: np.ndarray
    axes: str
    letters: str
    gain: np.ndarray
    offset: np.ndarray
    registered: bool
    seed: int = 0

    def patches(self, boxes: Boxes) -> np.ndarray:
        """What is wanted in each box: (bricks, voxels) float32 from 0 to 1.

        In another scene a box is drawn from the seed and from where the box of the image is: the
        same boxes always get the same patches.
        """
        return np.stack([self._patch(boxes, b) for b in range(len(boxes.channel))])

    def _patch(self, boxes: Boxes, brick: int) -> np.ndarray:
        channel = int(boxes.channel[brick])
        places = {a: i[brick] for a, i in zip(self.letters, boxes.index, strict=True)}
        if not self.registered:
            places = self._elsewhere(places, channel)
        places["C"] = np.full_like(next(iter(places.values())), channel)
        key = tuple(
            np.minimum(places[a], n - 1) for a, n in zip(self.axes, self.data.shape, strict=True)
        )
        values = self.data[key].astype(np.float32) * self.gain[channel] + self.offset[channel]
        patch: np.ndarray = np.clip(values, 0, 1).astype(np.float32)
        return patch

    def _elsewhere(self, places: dict[str, np.ndarray], channel: int) -> dict[str, np.ndarray]:
        """A box of the same sides anywhere in the clean image."""
        starts = {a: int(at.min()) for a, at in places.items()}
        rng = np.random.default_rng([self.seed, channel, *starts.values()])
        count = next(iter(places.values())).shape
        found = {}
        for axis, length in zip(self.axes, self.data.shape, strict=True):
            within = places[axis] - starts[axis] if axis in places else np.zeros(count, np.int64)
            found[axis] = rng.integers(max(1, length - int(within.max()))) + within
        return found


def read_clean(path: str, image: ImageSource, ranges: np.ndarray, seed: int = 0) -> CleanImage:
    """A clean image from a file, matched to `image`.

    Parameters
    ----------
    path
        Of an image in any format that inif reads; one without names of axes has those of `image`.
    ranges
        (channels, 2) lowest and highest sample of each channel of `image`.

    Raises
    ------
    InputError
        It cannot be read, is not finite, has no Y and X or too few channels, or, if it is another
        scene, it is smaller than 56 × 56.
    """
    from inif.io.companion import read_companion

    clean = read_companion(path, image.axes)
    return match(clean.data, clean.axes, image, ranges, seed=seed, file=path)


def match(
    data: np.ndarray,
    axes: str,
    image: ImageSource,
    ranges: np.ndarray,
    *,
    seed: int = 0,
    file: object = None,
) -> CleanImage:
    """`CleanImage` of samples in memory; arguments and errors as for `read_clean`."""
    channels = data.shape[axes.index("C")] if "C" in axes else 1
    sides = dict(zip(axes, data.shape, strict=True))
    for field, good, expected, got in (
        ("axes", {"Y", "X"} <= set(axes), "Y and X among the axes", axes),
        ("channels", channels in (1, image.n_channels), f"1 or {image.n_channels}", channels),
        ("samples", _finite(data), "finite real numbers", data.dtype),
    ):
        if not good:
            raise _refused(file, field, expected, got)
    same = axes == image.axes and data.shape == image.shape
    views = [_channel(data, axes, c) for c in range(image.n_channels)]
    wanted = [_scaled(_spread(image, c), *r) for c, r in enumerate(ranges)]
    registered = same and max(map(_correlation, views, wanted)) >= _ALIKE
    if not registered and min(sides["Y"], sides["X"]) < LEAST_SIDE:
        least = f"{LEAST_SIDE} × {LEAST_SIDE} pixels, or the axes and the shape of the image"
        raise _refused(file, "shape", f"at least {least}", data.shape)
    fit = _by_least_squares if registered else _by_quantiles
    lines = np.array([fit(x, y) for x, y in zip(views, wanted, strict=True)])
    letters = image.axes.replace("C", "")
    gain, offset = lines.T.astype(np.float32)
    return CleanImage(data, axes, letters, gain, offset, registered, seed)


def _refused(file: object, field: str, expected: object, got: object) -> InputError:
    return InputError(
        "this clean image cannot guide", file=file, field=field, expected=expected, got=got
    )


def _finite(data: np.ndarray) -> bool:
    return data.dtype.kind in "biuf" and bool(np.isfinite(data).all())


def _channel(data: np.ndarray, axes: str, channel: int) -> np.ndarray:
    """Evenly spaced samples of a channel, float64 (N,)."""
    if "C" in axes:
        i = axes.index("C")
        data = data.take(min(channel, data.shape[i] - 1), axis=i)
    step = -(-data.size // _MOST)
    return data.ravel()[::step].astype(np.float64)


def _spread(image: ImageSource, channel: int) -> np.ndarray:
    """The same of an image, which is read part by part."""
    c, shape = image.channel_axis, list(image.shape)
    if c is not None:
        shape[c] = 1
    step, first, found = -(-math.prod(shape) // _MOST), 0, []
    for region in parts_of(shape, image.dtype.itemsize):
        where = list(region)
        if c is not None:
            where[c] = slice(channel, channel + 1)
        part = image.read(tuple(where)).reshape(-1)
        found.append(part[first::step].astype(np.float64))
        first = (first - part.size) % step
    return np.concatenate(found)


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return (values - low) / (high - low if high > low else 1)


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's; 0 where one is constant, -1 for other numbers of samples."""
    if x.shape != y.shape:
        return -1.0
    x, y = x - x.mean(), y - y.mean()
    power = float(np.vdot(x, x) * np.vdot(y, y))
    return float(np.vdot(x, y)) / np.sqrt(power) if power > 0 else 0.0


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of y over x by least squares; slope 0 where x is constant or falls."""
    slope, intercept = line(x, y)
    return (slope, intercept) if slope > 0 else (0.0, float(y.mean()))


def _by_least_squares(clean: np.ndarray, image: np.ndarray) -> tuple[float, float]:
    """The line that predicts the image from the clean one; outliers are left out the second time.

    Noise is in what is predicted, so it does not flatten the line.
    """
    slope, intercept = _line(clean, image)
    rest = np.abs(image - slope * clean - intercept)
    limit = _FAR * _TO_SIGMA * float(np.median(rest))
    kept = rest <= limit if limit > 0 else np.ones(rest.shape, bool)
    return _line(clean[kept], image[kept])


def _by_quantiles(clean: np.ndarray, image: np.ndarray) -> tuple[float, float]:
    """The line between the quantiles from 5 to 95 %: where places do not correspond."""
    return _line(np.quantile(clean, _QUANTILES), np.quantile(image, _QUANTILES))
