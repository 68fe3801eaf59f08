"""Segmenters for judging: a threshold by Otsu's method, and the user's own function.

They must be others than those that guide an encoder, or it would be judged by its own wishes. All
parameters are fixed on the original (`fix`); what comes back segments any image of that shape.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from inif.errors import InputError, MissingExtraError

BINS = 1024
SMALLEST = 30
"""Objects of fewer samples are dropped."""

Fixed = Callable[[np.ndarray], np.ndarray]
"""(Y, X) or (Z, Y, X) → int32 labels of that shape; 0 is background."""


class Segmenter(Protocol):
    """Finds objects in planes and volumes."""

    @property
    def about(self) -> str:
        """How it segments, for the report."""
        ...

    def fix(self, original: np.ndarray, /) -> Fixed:
        """A segmentation whose parameters are those that suit the original."""
        ...


@dataclass(frozen=True)
class Otsu:
    """Gaussian smoothing, a threshold, connected components.

    The threshold is that of Otsu 1979, IEEE Trans. Syst. Man Cybern. 9:62, on the smoothed
    original. Objects touch across faces (edges in 2-D).

    Attributes
    ----------
    sigma
        Of the smoothing, in samples, the same along all axes.
    smallest
        Fewest samples of an object.
    """

    sigma: float = 2.0
    smallest: int = SMALLEST

    def __post_init__(self) -> None:
        image_tools()

    @property
    def about(self) -> str:
        """How it segments, for the report."""
        return (
            f"Gaussian smoothing (σ = {self.sigma:g}), Otsu threshold of the original, connected "
            f"components of at least {self.smallest} samples"
        )

    def fix(self, original: np.ndarray) -> Fixed:
        """Set the threshold; for a constant original, one count above it."""
        low, high = float(original.min()), float(original.max())
        threshold = otsu_threshold(self._smooth(original, low)) if high > low else 1.0

        def segment(image: np.ndarray) -> np.ndarray:
            return components(self._smooth(image, low) > threshold, self.smallest)

        return segment

    def _smooth(self, image: np.ndarray, low: float) -> np.ndarray:
        values = image.astype(np.float32) - np.float32(low)  # small numbers round less
        out: np.ndarray = image_tools().gaussian_filter(values, self.sigma, mode="nearest")
        return out


@dataclass(frozen=True)
class Own:
    """The user's own function: a plane or volume in, a mask or labels of the same shape out.

    It sees one image at a time, so whatever it adapts to, it adapts to the decoded image, too.

    Attributes
    ----------
    path
        ``module:function``.
    function
        Takes an array (Y, X) or (Z, Y, X); returns booleans, or whole numbers with 0 for
        background.
    """

    path: str
    function: Callable[[np.ndarray], Any]

    @property
    def about(self) -> str:
        """How it segments, for the report."""
        return f"the function {self.path}"

    def fix(self, original: np.ndarray) -> Fixed:
        """The function as it is."""
        return self._segment

    def _segment(self, image: np.ndarray) -> np.ndarray:
        try:
            found = np.asarray(self.function(image.copy()))
        except Exception as error:
            raise InputError(
                "this segmenter failed",
                field=self.path,
                got=f"{type(error).__name__}: {error}",
                fix="try the function on one plane or volume of the image",
            ) from error
        if found.shape != image.shape or found.dtype.kind not in "bui":
            raise InputError(
                "this segmenter gave back something else than a mask or labels",
                field=self.path,
                expected=f"booleans or whole numbers of shape {image.shape}",
                got=f"{found.dtype} of shape {found.shape}",
            )
        return as_labels(found, field=self.path)


def own(path: str) -> Own:
    """The segmenter ``module:function``; the module is imported now.

    Raises
    ------
    InputError
        The module cannot be imported, or has no such function.
    """
    module, colon, name = path.rpartition(":")
    if not colon or not module or not name:
        raise _no_function(path, "no name of a function")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise _no_function(path, f"{type(error).__name__}: {error}") from error
    if not callable(found):
        raise _no_function(path, f"{type(found).__name__}, which cannot be called")
    return Own(path, found)


def otsu_threshold(values: np.ndarray, bins: int = BINS) -> float:
    """The threshold that separates two classes best: those above it are the brighter one.

    Parameters
    ----------
    values
        Any shape, finite; where all are the same, that is the threshold.
    bins
        Of the histogram, of equal width from the smallest to the largest value.
    """
    low, high = float(values.min()), float(values.max())
    if low == high:
        return low
    counts, edges = np.histogram(values, bins, (low, high))
    middle = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1] / counts.sum()
    first = np.cumsum(counts * middle)[:-1] / counts.sum()
    mean = float((counts * middle).sum() / counts.sum())
    between = (mean * below - first) ** 2 / (below * (1 - below))  # both ends are never empty
    return float(edges[1 + int(between.argmax())])


def components(mask: np.ndarray, smallest: int = 1, *, corners: bool = False) -> np.ndarray:
    """Connected parts of a mask as int32 labels from 1, without those that are too small.

    Parameters
    ----------
    mask
        Booleans of any shape.
    smallest
        Fewest samples of a part.
    corners
        Whether samples that share only a corner (or an edge, in 3-D) are connected.
    """
    tools = image_tools()
    touch = tools.generate_binary_structure(mask.ndim, mask.ndim if corners else 1)
    labels, number = tools.label(mask, touch, output=np.int32)
    sizes = np.bincount(labels.ravel(), minlength=number + 1)
    keep = sizes >= smallest
    keep[0] = False
    return renumbered(labels, keep)


def renumbered(labels: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Labels 0 … n with only those kept, numbered anew; `keep` is (n + 1,) booleans."""
    numbers = np.cumsum(keep, dtype=np.int32)
    numbers[~keep] = 0
    out: np.ndarray = numbers[labels]
    return out


def as_labels(found: np.ndarray, *, field: str, file: object = None) -> np.ndarray:
    """A mask's components, or labels numbered anew from 1 in their order, as int32.

    Raises
    ------
    InputError
        A negative label.
    """
    if found.dtype == bool:
        return components(found)
    if found.dtype.kind == "i" and found.size and found.min() < 0:
        raise InputError(
            "a label is negative",
            file=file,
            field=field,
            expected="0 for background, then 1, 2, …",
            got=int(found.min()),
        )
    values, numbers = np.unique(found, return_inverse=True)
    numbers = numbers.reshape(found.shape) + (0 if values[0] == 0 else 1)
    return numbers.astype(np.int32)


def image_tools() -> ModuleType:
    """`scipy.ndimage`.

    Raises
    ------
    MissingExtraError
        SciPy is not installed.
    """
    try:
        import scipy.ndimage
    except ImportError:
        raise MissingExtraError("scipy", "tasks", need="a task that segments") from None
    module: ModuleType = scipy.ndimage
    return module


def _no_function(path: str, got: str) -> InputError:
    return InputError(
        "this segmenter cannot be loaded",
        field=f"python:{path}",
        expected="python:MODULE:FUNCTION",
        got=got,
        fix="install the module, or name its folder in PYTHONPATH",
    )
