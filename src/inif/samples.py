"""Samples: their types, boxes of them, whether they fit into memory and can be compressed."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from inif.errors import InputError, SelectionError

Region = tuple[slice, ...]
"""A box of samples: one slice per axis, with a start, a stop and no step."""

DTYPES = ("uint8", "uint16", "int16", "float32")
"""Sample types that lossy methods take."""

LOSSLESS_DTYPES = (
    "bool",
    *("uint8", "uint16", "uint32", "uint64"),
    *("int8", "int16", "int32", "int64"),
    *("float16", "float32", "float64"),
)
"""Sample types that can be stored exactly."""

BOUNDED_DTYPES = (
    *("uint8", "uint16", "uint32", "int8", "int16", "int32"),
    *("float16", "float32", "float64"),
)
"""Sample types that a latent field with corrections takes."""

LOSSLESS_FIX = "store the samples exactly with --lossless (lossless=True)"


def check_region(region: Region, shape: Sequence[int], file: str | None = None) -> Region:
    """The region, with whole numbers for every start and stop.

    Raises
    ------
    SelectionError
        It has another number of axes, a step, or lies outside the image.
    """
    if len(region) == len(shape) and all(s.step in (None, 1) for s in region):
        ends = [
            (s.start or 0, n if s.stop is None else s.stop)
            for s, n in zip(region, shape, strict=True)
        ]
        if all(0 <= a <= b <= n for (a, b), n in zip(ends, shape, strict=True)):
            return tuple(slice(int(a), int(b)) for a, b in ends)
    raise SelectionError(
        "this is no region of the image",
        file=file,
        field="region",
        expected=f"one slice per axis, without steps, within {tuple(shape)}",
        got=region,
    )


def native(samples: np.ndarray) -> np.ndarray:
    """The samples in native byte order and C-contiguous: themselves, if they are so already."""
    return np.ascontiguousarray(samples, samples.dtype.newbyteorder("="))


def machine_memory() -> int | None:
    """The machine's memory in bytes; None where it does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def peak_memory() -> int:
    """Bytes that this process has used at most; 0 where that is not known."""
    with suppress(OSError), open("/proc/self/status") as status:
        for line in status:  # on Linux, `resource` counts what began the process, too
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return 0
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def check_memory(shape: Sequence[int], dtype: np.dtype[Any], file: str | None) -> None:
    """Refuse an array that is larger than the memory of this machine, before it is allocated.

    Raises
    ------
    InputError
        The array cannot fit.
    """
    need, have = math.prod(int(n) for n in shape) * dtype.itemsize, machine_memory()
    if have is not None and need > have:
        raise InputError(
            "this image does not fit into memory",
            file=file,
            field="shape",
            expected=f"at most {have} bytes",
            got=f"{need} bytes, shape {tuple(shape)}, {dtype}",
            fix="crop it, or use a machine with more memory",
        )


def need_finite(samples: np.ndarray, axes: str, first: int = 0, *, file: str | None = None) -> None:
    """Refuse samples that are no finite numbers, which only exact storage keeps.

    Parameters
    ----------
    samples
        A region of an image, one axis per letter of `axes`; of integers there is nothing to check.
    first
        Where the region starts along its first axis, for the message.

    Raises
    ------
    InputError
        NaN or infinity; the message names the first index along the first axis that has some.
    """
    if samples.dtype.kind != "f":
        return
    for index, part in enumerate(samples):
        if not np.isfinite(part).all():
            raise InputError(
                "the image holds NaN or infinite samples",
                file=file,
                field=f"{axes[0]}={first + index}",
                expected="finite numbers",
                got="NaN or infinity",
                fix=f"replace them, for instance with numpy.nan_to_num, or {LOSSLESS_FIX}",
            )


def scale_of(value_range: tuple[float, float]) -> float:
    """What errors are divided by: max - min, or 1 for a constant channel."""
    size = value_range[1] - value_range[0]
    return size if size > 0 else 1.0


def conversion(dtype: np.dtype[Any]) -> str:
    """What to do with samples of a type that cannot be compressed, for messages."""
    if dtype.kind == "b":
        return f"{LOSSLESS_FIX}, or convert with image.astype('uint8')"
    if dtype.name in LOSSLESS_DTYPES and dtype.kind == "f":
        return f"convert with image.astype('float32'), or {LOSSLESS_FIX}"
    if dtype.kind in "iu":
        return (
            "convert with image.astype('uint16') if all values lie in 0…65535, "
            "else image.astype('float32') (exact up to 2**24); "
            f"for labels {LOSSLESS_FIX}"
        )
    if dtype.kind == "f":
        return "convert with image.astype('float64') and store it with --lossless"
    if dtype.kind == "c":
        return "compress numpy.abs(image) and numpy.angle(image) as float32 images of their own"
    return "convert to one of the supported sample types"
