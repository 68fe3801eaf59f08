"""Guides by name, as ``--guide`` takes them; several work together.

``filaments`` and ``blobs`` (with ``:sigma=2`` and other settings), ``mask:FILE``,
``python:MODULE:FUNCTION``, ``perceptual`` and ``perceptual:CLEAN_FILE``.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from inif.errors import InputError
from inif.guidance import GuidanceWarning, blobs, filaments, perceptual
from inif.guidance.boxes import Boxes
from inif.guidance.guide import Guidance, Guide
from inif.guidance.regions import RegionGuide
from inif.guidance.segmentation import (
    Segmentation,
    fixed_on,
    iou_loss,
    nothing_found,
    representative,
    voxel_ratio,
)
from inif.image import ImageSource

FILTERS: dict[str, tuple[Any, Any]] = {
    "filaments": (filaments, filaments.Filaments),
    "blobs": (blobs, blobs.Blobs),
}
NAMES = (*FILTERS, "mask:FILE", "python:MODULE:FUNCTION", "perceptual[:CLEAN_FILE]")


def build(
    texts: Sequence[str], image: ImageSource, ranges: np.ndarray, *, deep: bool
) -> tuple[Guidance | None, dict[str, str]]:
    """The guidance that a user named; guides that have nothing to say, and why.

    Parameters
    ----------
    ranges
        (channels, 2) lowest and highest sample.
    deep
        Whether guides see volumes, else planes.

    Raises
    ------
    InputError
        An unknown guide, an option or a file that cannot be used.
    """
    guides: list[Guide] = []
    idle: dict[str, str] = {}
    for text in texts:
        guide = _guide(text, image, ranges, deep)
        reason = guide.idle(image, ranges, deep=deep)
        if reason:
            idle[text] = reason
        else:
            guides.append(guide)
    return (Guidance(tuple(guides)) if guides else None), idle


def usable(
    texts: Sequence[str], image: ImageSource, ranges: np.ndarray, sides: Mapping[str, int] | None
) -> tuple[Guidance | None, tuple[str, ...]]:
    """The guidance and the names of the guides in it; a `GuidanceWarning` for each other one.

    Parameters
    ----------
    ranges
        (channels, 2) lowest and highest sample.
    sides
        Of what guides see, by the letters of axes; None where that is too small.

    Raises
    ------
    InputError
        As `build`.
    """
    if sides is None:
        warnings.warn("bricks are too small for a guide: unguided", GuidanceWarning, stacklevel=2)
        return None, ()
    guidance, idle = build(texts, image, ranges, deep="Z" in sides)
    for name, reason in idle.items():
        warnings.warn(f"unguided by {name}: {reason}", GuidanceWarning, stacklevel=2)
    return guidance, tuple(text for text in texts if text not in idle)


def check(texts: Sequence[str]) -> None:
    """Refuse names that no guide has, before any work.

    Raises
    ------
    InputError
        An unknown guide, or an option that it does not have.
    """
    for text in texts:
        name, _, options = text.partition(":")
        if name in FILTERS:
            _settings(text, FILTERS[name][1], options)
        elif name == "perceptual":
            perceptual.check(options)
        elif name not in ("mask", "python") or not options:
            raise InputError(
                "there is no guide of this name",
                field="guide",
                expected=", ".join(NAMES),
                got=text,
            )


def _guide(text: str, image: ImageSource, ranges: np.ndarray, deep: bool) -> Guide:
    check([text])
    name, _, options = text.partition(":")
    if name in FILTERS:
        module, kind = FILTERS[name]
        settings = _settings(text, kind, options)
        if settings.z is None:
            settings = replace(settings, z=voxel_ratio(image))
        return Segmentation(text, module, settings, fixed_on(image, ranges, module, settings, deep))
    if name == "perceptual":
        return perceptual.build(text, options, image, ranges)
    letters = image.axes.replace("C", "")
    if name == "mask":
        from inif.metrics.tasks.labels import read_labels

        labels = read_labels(options, image.axes, image.shape)
        return RegionGuide(text, labels.data != 0, labels.axes, letters)
    return _own(text, options, image, ranges, deep)


def _settings(text: str, kind: Any, options: str) -> Any:
    known = {f.name for f in fields(kind)}
    values: dict[str, Any] = {}
    for part in filter(None, options.split(",")):
        key, _, value = part.partition("=")
        if key == "sigma" and "sigmas" in known:
            key = "sigmas"
        try:
            values[key] = tuple(float(v) for v in value.split("+"))
        except ValueError:
            values[key] = ()
        if key not in known or not values[key]:
            raise InputError(
                "this option of a guide cannot be used",
                field="guide",
                expected="name=number for " + ", ".join(sorted(known)),
                got=text,
            )
        if key not in ("sigmas", "contrast"):
            number = values[key][0]
            values[key] = int(number) if key == "iterations" else number
    return kind(**values)


def _own(text: str, path: str, image: ImageSource, ranges: np.ndarray, deep: bool) -> Guide:
    """The user's function: soft masks where JAX can trace it, else fixed masks of the original."""
    from inif.metrics.tasks.segment import own

    segmenter = own(path)
    sample = representative(image, 0, deep=deep)
    try:
        traced = jax.eval_shape(segmenter.function, jnp.zeros(sample.shape, jnp.float32))
        soft = traced.shape == sample.shape and jnp.issubdtype(traced.dtype, jnp.floating)
    except Exception:  # whatever a function that is not made for tracing may raise
        soft = False
    if soft:
        return Traced(text, segmenter.function)
    fix = segmenter.fix(sample)
    mask = np.zeros(image.shape, bool)
    rows = [i for i, a in enumerate(image.axes) if a not in ("ZYX" if deep else "YX")]
    for place in np.ndindex(*[image.shape[i] for i in rows]):
        key = [slice(0, n) for n in image.shape]
        for i, at in zip(rows, place, strict=True):
            key[i] = slice(at, at + 1)
        part = image.read(tuple(key))
        found = np.asarray(fix(part.squeeze(tuple(rows)))) != 0
        mask[tuple(key)] = found.reshape(part.shape)
    return RegionGuide(text, mask, image.axes, image.axes.replace("C", ""))


class Traced:
    """The user's differentiable segmenter: (…) float32 from 0 to 1 in, soft mask out."""

    planar = False

    def __init__(self, name: str, function: Any) -> None:
        self.name = name
        self._function = function

    def loss(
        self, decoded: jax.Array, original: jax.Array, channel: jax.Array, extra: jax.Array
    ) -> jax.Array:
        """1 - IoU of the soft masks; see `inif.guidance.guide.Guide`."""
        del channel, extra
        return iou_loss(self._function(decoded), self._function(original))

    def marked(self, original: jax.Array, channel: jax.Array) -> jax.Array:
        """Where it finds something in an original: bool, of its shape."""
        del channel
        found: jax.Array = self._function(original) > 0.5
        return found

    def extra(self, boxes: Boxes) -> np.ndarray | None:
        """Nothing."""
        return None

    def idle(self, image: ImageSource, ranges: np.ndarray, *, deep: bool) -> str | None:
        """Why it has nothing to say; see `inif.guidance.guide.Guide`."""
        return nothing_found(lambda v, _: self._function(v) > 0.5, image, ranges, deep=deep)
