"""The task ``clean``: is the decoded image nearer to the scene than the original? A second image.

Against a noisy original a codec that denoises looks worse than one that keeps the noise. A second
exposure of the same scene, long or averaged, settles it: both the original and the decoded image
are scored against that, each after the straight line of intensities that suits it best, because
exposures differ in scale and offset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from inif.errors import InputError
from inif.metrics.fidelity import Ranges, channel_ranges, fidelity, psnr_of
from inif.metrics.matching import line
from inif.metrics.planes import plane_layout
from inif.metrics.tasks.run import read_unit
from inif.metrics.tasks.task import Figures, Unit, decibels, difference, share


@dataclass(frozen=True)
class CleanReference:
    """A clean image of the scene.

    Attributes
    ----------
    data
        Any real dtype, finite; axes and shape those of the image.
    axes
        One letter of "TCZYX" per axis.
    ranges
        (min, max) of each channel, counts; empty until the task is made ready.
    """

    data: np.ndarray
    axes: str
    ranges: Ranges = ()

    def at(self, where: Mapping[str, int]) -> np.ndarray:
        """The unit at a place: (Y, X) or (Z, Y, X)."""
        return read_unit(self.data, where, plane_layout(self.axes, self.data.shape))


@dataclass(frozen=True)
class Distance:
    """How far one image of a unit is from the clean one: sums over samples and planes.

    Attributes
    ----------
    error
        Sum of the squared errors over the squared range of the clean channel.
    ssim
        Sum over planes of the structural similarity; None where planes are too small for it.
    """

    error: float
    ssim: float | None


@dataclass(frozen=True)
class Scored:
    """The original and the decoded image of a unit against the clean one."""

    original: Distance
    decoded: Distance
    samples: int
    planes: int


def distance(image: np.ndarray, clean: np.ndarray, limits: tuple[float, float]) -> Distance:
    """`Distance` of an image from a clean one, (Y, X) or (Z, Y, X) each, after matching by `line`.

    `limits` are the (min, max) of the clean channel, counts.
    """
    a, b = line(image, clean)
    matched = a * image.astype(np.float64) + b
    found = fidelity(clean, matched, "ZYX"[-image.ndim :], (limits,))
    planes = found.slice_psnr.size
    ssim = None if found.ssim.mean is None else found.ssim.mean * planes
    return Distance(found.nrmse**2 * image.size, ssim)


@dataclass(frozen=True)
class CleanTask:
    """PSNR and SSIM of the decoded image and the original, both against a clean image.

    Attributes
    ----------
    clean
        The clean image, or its path.
    """

    name: str
    clean: CleanReference | str
    dims: int = 3

    @property
    def about(self) -> str:
        """What is compared, and how."""
        which = self.clean if isinstance(self.clean, str) else "the clean image"
        return (
            f"Decoded image and original, each against {which} after least-squares matching "
            "of scale and offset. PSNR on the clean image's own range."
        )

    def ready_for(self, axes: str, shape: tuple[int, ...]) -> CleanTask:
        """The task with its clean image read and checked.

        Raises
        ------
        InputError
            It cannot be read, is not finite, or has other axes or another shape than the image.
        """
        file, clean = None, self.clean
        if isinstance(clean, str):
            file, clean = clean, read_clean(clean, axes)
        for field, expected, got in (
            ("axes", axes, clean.axes),
            ("shape", tuple(shape), clean.data.shape),
        ):
            if expected != got:
                raise InputError(
                    "the clean image does not fit the original",
                    file=file,
                    field=field,
                    expected=expected,
                    got=got,
                    fix="crop both alike, and bring them into one order of axes",
                )
        if clean.data.dtype.kind not in "biuf" or not np.isfinite(clean.data).all():
            raise InputError(
                "the clean image cannot be compared with",
                file=file,
                field="samples",
                expected="finite real numbers",
                got=f"{clean.data.dtype}, or NaN or infinity among them",
            )
        return replace(self, clean=replace(clean, ranges=channel_ranges(clean.data, axes)))

    def reference(self, unit: Unit) -> tuple[np.ndarray, tuple[float, float], Distance]:
        """The clean unit, the range of its channel, and how far the original is from it."""
        if isinstance(self.clean, str) or not self.clean.ranges:
            raise AssertionError("ready_for comes first")
        clean = self.clean.at(unit.where)
        limits = self.clean.ranges[unit.where.get("C", 0)]
        return clean, limits, distance(unit.original, clean, limits)

    def compare(
        self, reference: tuple[np.ndarray, tuple[float, float], Distance], decoded: np.ndarray
    ) -> Scored:
        """How far the decoded unit is from the clean one, beside the original."""
        clean, limits, before = reference
        planes = clean.size // (clean.shape[-2] * clean.shape[-1])
        return Scored(before, distance(decoded, clean, limits), clean.size, planes)

    def figures(self, parts: Sequence[Scored]) -> Figures:
        """Figures of all units together."""
        samples, planes = (sum(getattr(p, k) for p in parts) for k in ("samples", "planes"))
        psnr, ssim = [], []
        for images in ([p.decoded for p in parts], [p.original for p in parts]):
            psnr.append(psnr_of(sum(i.error for i in images) / samples))
            known = [i.ssim for i in images if i.ssim is not None]
            ssim.append(sum(known) / planes if known else None)
        gain = None if np.isinf(psnr).any() else psnr[0] - psnr[1]
        rows = (
            decibels("psnr_to_clean", "PSNR to the clean image", psnr[0]),
            decibels("original_psnr_to_clean", "The original's", psnr[1]),
            difference("gain_db", "Gain", gain, "dB"),
            share("ssim_to_clean", "SSIM to the clean image", ssim[0]),
            share("original_ssim_to_clean", "The original's", ssim[1]),
        )
        return Figures(ssim[0], rows)


def read_clean(path: str, axes: str) -> CleanReference:
    """A clean image from a file; one that does not name its axes has those of the image.

    Raises
    ------
    InputError
        It cannot be read.
    """
    from inif.io.companion import read_companion

    image = read_companion(path, axes)
    return CleanReference(image.data, image.axes)
