"""Indexing by integer and boolean arrays, as NumPy does it, decoding what is wanted.

Source: NumPy, "Advanced indexing": arrays are broadcast together; the axes that they make stand in
the place of the first, or at the front where a slice lies between two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from inif.errors import SelectionError

_NEAR = 64
"""Rows or columns that are read as one run where they are no further apart."""


def is_fancy(key: Any) -> bool:
    """Whether a key has an array or a list in it."""
    return any(isinstance(k, np.ndarray | list) and np.ndim(k) for k in _keys(key))


def read_fancy(
    key: Any,
    axes: str,
    shape: Sequence[int],
    read: Callable[[tuple[Any, ...]], np.ndarray],
    at: Callable[[np.ndarray], np.ndarray],
    *,
    file: object = None,
) -> np.ndarray:
    """What ``array[key]`` would be.

    Parameters
    ----------
    read
        Samples of slices and integers, one for every axis.
    at
        Samples at (N, D) int64 positions: (N,).

    Raises
    ------
    SelectionError
        Arrays that are neither integers nor booleans, do not fit, or leave the image.
    """
    keys = _expanded(key, axes, shape, file)
    arrays = [i for i, k in enumerate(keys) if isinstance(k, np.ndarray)]
    if len(arrays) == 1 and keys[arrays[0]].ndim == 1:
        taken = read_along(keys, arrays[0], axes[arrays[0]], read)
        # An integer apart from the array by a slice moves the axis of the array forward.
        picked = [i for i, k in enumerate(keys) if not isinstance(k, slice)]
        if picked == list(range(picked[0], picked[-1] + 1)):
            return taken
        return np.moveaxis(taken, sum(isinstance(k, slice) for k in keys[: arrays[0]]), 0)
    keys = [np.asarray(k) if isinstance(k, int) else k for k in keys]  # they broadcast with arrays
    arrays = [i for i, k in enumerate(keys) if isinstance(k, np.ndarray)]
    try:
        given = np.broadcast_arrays(*[keys[i] for i in arrays])
    except ValueError as error:
        raise _refused("these indices do not go together", key, file, str(error)) from None
    rest = [i for i in range(len(shape)) if i not in arrays]
    lengths = [range(shape[i])[keys[i]] for i in rest]
    many, few = given[0].shape, tuple(map(len, lengths))
    positions = np.empty((*many, *few, len(shape)), np.int64)
    for i, values in zip(arrays, given, strict=True):
        positions[..., i] = values.reshape(many + (1,) * len(few))
    for number, (i, values) in enumerate(zip(rest, lengths, strict=True)):
        along = [-1 if j == number else 1 for j in range(len(few))]
        positions[..., i] = np.array(values, np.int64).reshape(along)
    found = at(positions.reshape(-1, len(shape))).reshape(many + few)
    if arrays == list(range(arrays[0], arrays[-1] + 1)):
        before = sum(i < arrays[0] for i in rest)
        moved = list(range(len(many)))
        found = np.moveaxis(found, moved, [before + m for m in moved])
    return found


def read_along(
    keys: Sequence[Any], axis: int, letter: str, read: Callable[[tuple[Any, ...]], np.ndarray]
) -> np.ndarray:
    """Samples by an array of indices along one axis, which stays where it is.

    They are read in runs, each index once. Of planes only those are read that were asked for; rows
    and columns between two that lie near each other are read too.

    Parameters
    ----------
    keys
        Of every axis; of `axis` an array of integers from 0 on, (N,).
    letter
        Of the axis: "T", "C", "Z", "Y" or "X".
    read
        Samples of the same keys with a slice in the place of the array.
    """
    wanted = keys[axis]
    place = sum(not isinstance(k, int | np.integer) for k in keys[:axis])

    def run(first: int, last: int) -> np.ndarray:
        return read((*keys[:axis], slice(first, last), *keys[axis + 1 :]))

    if wanted.size == 0:
        return run(0, 0)
    each, back = np.unique(wanted, return_inverse=True)
    apart = np.flatnonzero(np.diff(each) > (_NEAR if letter in "YX" else 1))
    runs = np.split(each, apart + 1)
    parts = [run(int(r[0]), int(r[-1]) + 1).take(r - r[0], axis=place) for r in runs]
    taken: np.ndarray = np.concatenate(parts, axis=place).take(back, axis=place)
    return taken


def _expanded(key: Any, axes: str, shape: Sequence[int], file: object) -> list[Any]:
    """One slice, integer or int64 array for each axis, all within the image."""
    given = [_array(k) if isinstance(k, np.ndarray | list) else k for k in _keys(key)]
    masks = [isinstance(k, np.ndarray) and k.dtype == bool for k in given]
    taken = [
        0 if k is Ellipsis else k.ndim if mask else 1 for k, mask in zip(given, masks, strict=True)
    ]
    free = len(shape) - sum(taken)
    dots = sum(k is Ellipsis for k in given)
    if dots > 1 or free < 0:
        raise _refused("too many indices", key, file, f"at most {len(shape)} and one '...'")
    keys: list[Any] = []
    for one, mask, count in zip(given, masks, taken, strict=True):
        at = len(keys)
        if one is Ellipsis:
            keys += [slice(None)] * free
        elif not mask:
            keys.append(checked(one, shape[at], axes[at], file=file))
        elif one.shape == tuple(shape[at : at + count]):
            keys += np.nonzero(one)
        else:
            expected = f"{tuple(shape[at : at + count])} booleans"
            raise _refused("this mask does not fit the image", one.shape, file, expected)
    return keys + [slice(None)] * (len(shape) - len(keys))


def _array(values: Any) -> np.ndarray:
    """An array of indices; one of nothing is of integers, as NumPy has it."""
    found = np.asarray(values)
    return found if found.size or found.dtype == bool else found.astype(np.int64)


def checked(key: Any, length: int, letter: str, *, file: object = None) -> Any:
    """A slice as it is; an integer, or an array of them, as it counts from the front.

    Raises
    ------
    SelectionError
        It is something else, or leaves the axis.
    """
    where = f"axis {letter}"
    if isinstance(key, slice):
        try:
            key.indices(length)
        except (TypeError, ValueError) as error:
            raise _refused("this slice cannot be used", key, file, str(error), where) from None
        return key
    values = np.asarray(key)
    if values.dtype.kind not in "iu":
        expected = "integers, booleans, a slice or '...'"
        raise _refused("this index cannot be used", key, file, expected, where)
    if values.size and not (-length <= values.min() and values.max() < length):
        expected = f"-{length} … {length - 1}"
        raise _refused("the index lies outside the image", key, file, expected, where)
    within = values.astype(np.int64) % length
    return within if within.ndim else int(within)


def _keys(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def _refused(
    problem: str, key: Any, file: object, expected: str, where: str | None = None
) -> SelectionError:
    return SelectionError(problem, file=file, field=where, expected=expected, got=repr(key))
