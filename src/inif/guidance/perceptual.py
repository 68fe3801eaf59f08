"""A guide that looks: LPIPS between a decoded box and what is wanted there (paper, Fig. 6).

Wanted is the original, or, where that is noisy, a clean image: ``perceptual:CLEAN_FILE``. LPIPS
knows planes only, so boxes are planes where no other guide needs depth; of a box with depth, each
plane counts alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from inif.guidance.boxes import Boxes
from inif.guidance.clean import CleanImage, read_clean
from inif.image import ImageSource
from inif.perceptual import weights
from inif.perceptual.lpips import Lpips, distance

_HEADS = "heads="
_LEAST = 1e-6  # mean square of noise, of the range's: a clean original has none


@dataclass(frozen=True)
class Perceptual:
    """LPIPS as a guide.

    Attributes
    ----------
    name
        As the user named it.
    model
        The weights.
    clean
        The clean image, or None: the original itself is wanted.
    planar
        Planes will do.
    """

    name: str
    model: Lpips
    clean: CleanImage | None = None
    planar: bool = True

    @property
    def registered(self) -> bool:
        """Whether a clean image of the same scene is wanted."""
        return self.clean is not None and self.clean.registered

    def loss(
        self, decoded: jax.Array, original: jax.Array, channel: jax.Array, extra: jax.Array
    ) -> jax.Array:
        """Mean LPIPS over the planes of a box; see `inif.guidance.guide.Guide`.

        With a clean image of the same scene, its squared error to that is added, in units of
        the original's own.
        """
        del channel
        wanted = original if self.clean is None else extra
        sides = decoded.shape[-2:]
        one, other = (2 * v.reshape(-1, *sides) - 1 for v in (decoded, wanted))
        seen = jnp.mean(distance(self.model, one, other))
        if not self.registered:
            return seen
        unit = jnp.mean((original - wanted) ** 2) + _LEAST
        return seen + jnp.mean((decoded - wanted) ** 2) / unit

    def extra(self, boxes: Boxes) -> np.ndarray | None:
        """Patches of the clean image, if there is one."""
        return None if self.clean is None else self.clean.patches(boxes)

    def idle(self, image: ImageSource, ranges: np.ndarray, *, deep: bool) -> str | None:
        """Why it has nothing to say; see `inif.guidance.guide.Guide`."""
        del image, deep
        if not (ranges[:, 0] < ranges[:, 1]).any():
            return "the image is constant"
        if self.clean is not None and not (self.clean.gain > 0).any():
            return "the clean image is constant, or runs against the image"
        return None


def split(options: str) -> tuple[str, str]:
    """The file and the heads in ``[FILE][,heads=NAME]``; the file is empty where there is none."""
    if options.startswith(_HEADS):
        return "", options.removeprefix(_HEADS)
    file, comma, heads = options.rpartition("," + _HEADS)
    return (file, heads) if comma else (options, weights.DEFAULT)


def check(options: str) -> None:
    """Refuse what cannot be used, before any work.

    Raises
    ------
    InputError
        No heads of that name.
    MissingExtraError
        safetensors is not installed.
    """
    weights.require()
    weights.check_heads(split(options)[1])


def build(text: str, options: str, image: ImageSource, ranges: np.ndarray) -> Perceptual:
    """The guide for an image.

    Parameters
    ----------
    text, options
        As the user wrote it, and what of it stands after the colon.
    ranges
        (channels, 2) lowest and highest sample.

    Raises
    ------
    InputError
        Heads or a clean image that cannot be used.
    MissingExtraError
        safetensors is not installed.
    """
    file, heads = split(options)
    clean = read_clean(file, image, ranges) if file else None
    return Perceptual(text, weights.load(heads), clean)
