"""How far a decoded image is from its original: PSNR, SSIM, NRMSE, largest error, worst slice.

Every figure is relative to the image's own range, never to that of its data type: 16-bit images
often use a few hundred counts, and dividing by 65535 would make any decoder look perfect. The
range is part of every result, so that nobody has to guess which one was used.

Definitions (binding for every comparison made with inif)

- The range of a channel is max - min of the *original*. A channel that is constant has no range:
  its errors are then measured with a range of 1 count, so an exact decode still counts as exact.
- PSNR is -10 log10 of the mean, over voxels and channels, of (error / range)²; infinite (in JSON:
  null with ``"lossless": true``) where every voxel is exact.
- SSIM (Wang et al. 2004, IEEE Trans. Image Process. 13:600) is computed on each plane of Y and X
  with a uniform window of 7 and averaged over planes and channels; K1 = 0.01, K2 = 0.03 and the
  sample covariance, as `skimage.metrics.structural_similarity` does by default.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.errors import InputError
from inif.image import scale_of
from inif.metrics.planes import PlaneLayout, Samples, Strip, plane_layout, strips, walk, walk_one
from inif.outliers import Extremes

WINDOW = 7
Ranges = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Psnr:
    """Peak signal-to-noise ratio in dB, and the (min, max) of each channel that it refers to."""

    pooled: float
    per_channel: tuple[float, ...]
    ranges: Ranges


@dataclass(frozen=True)
class Ssim:
    """Structural similarity; None with a `note` where the image has no planes for it.

    `window` is the side of the window used, `note` says why it is not 7.
    """

    mean: float | None
    per_channel: tuple[float | None, ...]
    window: int | None
    note: str | None


@dataclass(frozen=True)
class Fidelity:
    """Everything that `fidelity` measures.

    Attributes
    ----------
    psnr, ssim
        See `Psnr` and `Ssim`.
    nrmse, nrmse_per_channel
        Root mean squared error over the range; pooled like the PSNR.
    max_error, max_error_per_channel
        Largest absolute error, in counts (the image's own units).
    mean_error, mean_error_per_channel
        Mean of decoded - original, in counts: the bias; positive where the decode is brighter.
    slice_psnr, slice_ssim
        One number per plane, shaped like the axes that number the planes; dB, and SSIM or None.
    worst
        Place in `slice_psnr` of the plane with the lowest PSNR.
    layout
        The axes, and which of them number the planes.
    """

    psnr: Psnr
    ssim: Ssim
    nrmse: float
    nrmse_per_channel: tuple[float, ...]
    max_error: float
    max_error_per_channel: tuple[float, ...]
    mean_error: float
    mean_error_per_channel: tuple[float, ...]
    slice_psnr: np.ndarray
    slice_ssim: np.ndarray | None
    worst: tuple[int, ...]
    layout: PlaneLayout


def channel_ranges(original: Samples, axes: str) -> Ranges:
    """(min, max) of each channel of an image without its outliers (`inif.outliers`), in counts.

    Raises
    ------
    InputError
        A sample is NaN or infinite.
    """
    lay = plane_layout(axes, original.shape)
    extremes = [Extremes(lay.voxels_per_channel) for _ in range(lay.n_channels)]
    for channel, plane in walk_one(original, lay):
        if not np.isfinite(plane).all():
            raise _not_finite("original", channel)
        extremes[channel].add(plane)
    return tuple(e.inner for e in extremes)


def psnr_of(mean_square: float) -> float:
    """PSNR in dB of a mean squared error relative to the squared range; 0 gives infinity."""
    return math.inf if mean_square == 0 else -10.0 * math.log10(mean_square)


def finite(value: float) -> float | None:
    """The value, or None if it is infinite or NaN."""
    return value if math.isfinite(value) else None


def psnr_json(value: float) -> dict[str, Any]:
    """``{"psnr": 36.2, "lossless": false}``; null and true for an exact image."""
    return {"psnr": finite(value), "lossless": math.isinf(value)}


def psnr(original: Samples, decoded: Samples, axes: str, ranges: Ranges | None = None) -> Psnr:
    """PSNR of `decoded`, each channel scaled by its own range of `original`.

    Parameters
    ----------
    original, decoded
        Arrays, or anything with shape, dtype and basic indexing, of one shape; any real dtype.
    axes
        One letter of "TCZYX" per axis.
    ranges
        (min, max) of each channel of the original, if already known (saves a pass over it).

    Raises
    ------
    InputError
        Shapes differ, a sample is not finite.
    """
    return fidelity(original, decoded, axes, ranges, with_ssim=False).psnr


def fidelity(
    original: Samples,
    decoded: Samples,
    axes: str,
    ranges: Ranges | None = None,
    *,
    with_ssim: bool = True,
) -> Fidelity:
    """All fidelity figures in one pass over the decoded image; parameters as for `psnr`."""
    lay = plane_layout(axes, original.shape)
    if ranges is None:
        ranges = channel_ranges(original, axes)
    total = FidelityAccumulator(lay, ranges, with_ssim=with_ssim)
    for plane in walk(original, decoded, lay):
        for strip in strips(plane):
            total.add(strip)
    return total.result()


class FidelityAccumulator:
    """Sums for `Fidelity`, fed strip by strip in any order of planes."""

    def __init__(self, lay: PlaneLayout, ranges: Ranges, *, with_ssim: bool = True) -> None:
        if len(ranges) != lay.n_channels:
            raise InputError(
                "there must be one range per channel",
                field="ranges",
                expected=lay.n_channels,
                got=len(ranges),
            )
        self._layout = lay
        self._ranges = ranges
        self._window, self._note = ssim_window(lay)
        if not with_ssim:
            self._window, self._note = None, "not asked for"
        self._square = np.zeros(lay.slot_shape)
        self._ssim = np.zeros(lay.slot_shape)
        self._sum = np.zeros(lay.n_channels)
        self._largest = np.zeros(lay.n_channels)

    def add(self, strip: Strip) -> None:
        """Take in one strip."""
        channel = strip.channel
        error = strip.error[: strip.rows].ravel()
        self._square[strip.slot] += float(np.square(error).sum())
        self._sum[channel] += float(error.sum())
        largest = max(float(error.max()), -float(error.min()))
        if not math.isfinite(largest):
            raise _not_finite("decoded", channel)
        self._largest[channel] = max(self._largest[channel], largest)
        if self._window is not None:
            stop = strip.rows + self._window - 1
            values = ssim_map(
                strip.original[:stop],
                strip.decoded[:stop],
                scale_of(self._ranges[channel]),
                self._window,
            )
            self._ssim[strip.slot] += float(values.sum())

    def result(self) -> Fidelity:
        """The figures for all that was added."""
        lay = self._layout
        scales = np.array([scale_of(r) for r in self._ranges])
        n_plane = math.prod(lay.plane_shape)
        slot_mse = self._square / n_plane / self._by_slot(scales) ** 2
        channel_mse = self._per_channel(slot_mse)
        pooled_mse = float(channel_mse.mean())
        mean_errors = self._sum / lay.voxels_per_channel
        with np.errstate(divide="ignore"):
            slice_psnr = -10.0 * np.log10(slot_mse)
        structure, slice_ssim = self._structure()
        return Fidelity(
            psnr=Psnr(psnr_of(pooled_mse), tuple(psnr_of(m) for m in channel_mse), self._ranges),
            ssim=structure,
            nrmse=math.sqrt(pooled_mse),
            nrmse_per_channel=tuple(float(math.sqrt(m)) for m in channel_mse),
            max_error=float(self._largest.max()),
            max_error_per_channel=tuple(float(v) for v in self._largest),
            mean_error=float(mean_errors.mean()),
            mean_error_per_channel=tuple(float(v) for v in mean_errors),
            slice_psnr=slice_psnr,
            slice_ssim=slice_ssim,
            worst=tuple(int(i) for i in np.unravel_index(np.argmax(slot_mse), slot_mse.shape)),
            layout=lay,
        )

    def _structure(self) -> tuple[Ssim, np.ndarray | None]:
        if self._window is None:
            none = (None,) * self._layout.n_channels
            return Ssim(None, none, None, self._note), None
        rows, columns = self._layout.plane_shape
        windows = (rows - self._window + 1) * (columns - self._window + 1)
        values = self._ssim / windows
        per_channel = self._per_channel(values)
        return (
            Ssim(
                float(per_channel.mean()),
                tuple(float(v) for v in per_channel),
                self._window,
                self._note,
            ),
            values,
        )

    def _per_channel(self, values: np.ndarray) -> np.ndarray:
        """Mean over the planes of each channel."""
        at = self._layout.channel_slot
        if at is None:
            return np.atleast_1d(values.mean())
        means: np.ndarray = np.moveaxis(values, at, 0).reshape(values.shape[at], -1).mean(axis=1)
        return means

    def _by_slot(self, values: np.ndarray) -> np.ndarray:
        """One value per channel, shaped to go with one value per plane."""
        at = self._layout.channel_slot
        shape = [1] * len(self._layout.slots)
        if at is not None:
            shape[at] = -1
        return values.reshape(shape)


def ssim_window(lay: PlaneLayout) -> tuple[int | None, str | None]:
    """Side of the SSIM window for an image, and a note where it is not 7.

    Planes smaller than 7 get the largest odd window of at least 3 that fits; images without Y and
    X, and planes narrower than 3, get None.
    """
    if not lay.is_picture:
        return None, f"SSIM needs the axes Y and X; this image has {lay.axes}"
    rows, columns = lay.plane_shape
    side = min(WINDOW, rows, columns)
    side -= 1 - side % 2
    if side < 3:
        return None, f"SSIM needs planes of at least 3 × 3 pixels; these have {rows} × {columns}"
    if side < WINDOW:
        return side, f"window {side} instead of {WINDOW}: planes have {rows} × {columns} pixels"
    return side, None


def ssim_map(
    original: np.ndarray, decoded: np.ndarray, data_range: float, window: int = WINDOW
) -> np.ndarray:
    """SSIM of every window that lies wholly inside two planes.

    Parameters
    ----------
    original, decoded
        (rows, columns) float64.
    data_range
        max - min that the constants K1 and K2 refer to.
    window
        Side of the square uniform window, in pixels.

    Returns
    -------
    (rows - window + 1, columns - window + 1) float64; empty if no window fits.
    """
    n = window * window
    if min(original.shape) < window:
        return np.zeros((0, 0))
    mean_a = _box_mean(original, window)
    mean_b = _box_mean(decoded, window)
    square = original * original
    square += decoded * decoded
    product = mean_a * mean_b
    squares = mean_a * mean_a
    squares += mean_b * mean_b
    sample = n / (n - 1)
    variances = (_box_mean(square, window) - squares) * sample
    covariance = (_box_mean(original * decoded, window) - product) * sample
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    top: np.ndarray = (2 * product + c1) * (2 * covariance + c2)
    top /= (squares + c1) * (variances + c2)
    return top


def _box_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Mean of every window inside a plane, by shifted sums along each axis in turn."""
    rows, columns = (n - window + 1 for n in values.shape)
    down: np.ndarray = values[:rows].copy()
    for i in range(1, window):
        down += values[i : i + rows]
    across: np.ndarray = down[:, :columns].copy()
    for i in range(1, window):
        across += down[:, i : i + columns]
    across *= 1.0 / (window * window)
    return across


def _not_finite(which: str, channel: int) -> InputError:
    return InputError(
        f"the {which} image holds NaN or infinite samples",
        field=f"channel {channel}",
        expected="finite numbers",
        got="NaN or infinity",
        fix="replace them first, for instance with numpy.nan_to_num",
    )
