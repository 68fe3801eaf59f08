"""Networks pickled by the first authors, read safely and stored by `inif.encode.siren.convert`.

A pickle is a program. Here its instructions are checked against a list before any runs, and the
only names it can reach are stand-ins of our own that build arrays and nothing else. What the
pickles hold: haiku's FlatMapping of jax arrays (module → {"w", "b"}; a scalar "freq_adjust"), then
a dict with the image's shape and range. The network is sin((90 + freq_adjust)·(x W + b)), seven
layers, output · (max - min) / 100 = counts, coordinates i/(n - 1)·2 - 1 per axis. Channels, where
an image has some, are one more axis like the others: that is a field with the channel as a
coordinate ("siren/1" in docs/format.md), and all channels share one range.
"""

from __future__ import annotations

import hashlib
import io
import math
import pickle
import pickletools
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from inif.axes import check_axes
from inif.container.validate import clean_text
from inif.errors import AxesError, InifError, InputError
from inif.fields.siren import MAX_WIDTH

_MAX_BYTES = 256 << 20
_OMEGA = 90.0
_PERCENT = 100.0
_LAYERS = 7
_MAX_VOXELS = 1 << 30
_MAX_WEIGHT = 1e6  # far beyond any fit; sums of so large numbers are still finite
_MAX_INSTRUCTIONS = 8192  # ten times what the files need; deep nesting overflows the C stack
_OPCODES = frozenset(
    (  # noqa: SIM905  (a list of names reads best as text)
        "PROTO FRAME STOP MARK SHORT_BINUNICODE BINUNICODE MEMOIZE BINGET LONG_BINGET STACK_GLOBAL "
        "EMPTY_DICT EMPTY_TUPLE EMPTY_LIST TUPLE TUPLE1 TUPLE2 TUPLE3 BININT BININT1 BININT2 LONG1 "
        "BINFLOAT SHORT_BINBYTES BINBYTES NEWFALSE NEWTRUE NONE REDUCE BUILD SETITEM SETITEMS "
        "APPEND APPENDS"
    ).split()
)


class LegacyNetwork:
    """A network as the file would hold it without rounding.

    Attributes
    ----------
    axes, shape, dtype, low, high
        The image it was fitted to; `axes` is empty where neither user nor custom says them.
    sizes
        Names and lengths of the axes in the pickle's own words, for messages.
    groups
        Float32 weight groups of a `Siren`, frequency and output scale folded in.
    digest
        SHA-256 of the pickle.
    """

    def __init__(self, tree: Any, facts: Any, axes: str | None, digest: str, path: str) -> None:
        layers = ["sensory", *(f"mid_{i}" for i in range(1, len(tree) - 2)), "out"]
        weights = [_array(tree, f"inif_model/~/{name}", "w") for name in layers]
        biases = [_array(tree, f"inif_model/~/{name}", "b") for name in layers]
        frequency = np.float32(_OMEGA) + _array(tree, "inif_model", "freq_adjust").reshape(())
        sizes = [(clean_text(str(k))[:20], int(n)) for k, n in facts["shape"].items() if n]
        sizes = sizes[: weights[0].shape[0]]
        self.shape = tuple(n for _, n in sizes)
        self.sizes = ", ".join(f"{name} {n}" for name, n in sizes)
        self.axes = axes or ("ZYX" if len(self.shape) == 3 else "")
        self.dtype = facts["dtype"].numpy().newbyteorder("=")
        self.low, self.high = int(facts["min"]), int(facts["max"])
        self.digest, self.path = digest, path
        width = weights[0].shape[1]
        good = (
            len(layers) == _LAYERS
            and 1 <= width <= MAX_WIDTH
            and [w.shape for w in weights]
            == [(len(self.shape), width), *[(width, width)] * (len(layers) - 2), (width, 1)]
            and all(b.shape == (w.shape[1],) for w, b in zip(weights, biases, strict=True))
            and all(np.isfinite(a).all() for a in (*weights, *biases, frequency))
            and all(np.abs(a).max() <= _MAX_WEIGHT for a in (*weights, *biases, frequency))
        )
        if not good:
            raise ValueError("the arrays do not form a seven-layer network")
        if self.dtype.name not in ("uint8", "uint16", "int16"):
            raise ValueError(f"an image of sample type {self.dtype.name}")
        limits = np.iinfo(self.dtype)
        if not limits.min <= self.low < self.high <= limits.max:
            raise ValueError(f"an image whose samples go from {self.low} to {self.high}")
        if not all(n > 0 for n in self.shape) or math.prod(self.shape) > _MAX_VOXELS:
            raise ValueError("an image without samples, or with too many")
        span = self.high - self.low
        scale = np.float32(2 / _PERCENT)
        self.groups = [
            *[np.ascontiguousarray(w.T) * frequency for w in weights[:-1]],
            np.ascontiguousarray(weights[-1].T) * scale,
            np.stack(biases[:-1]) * frequency,
            biases[-1] * scale - np.float32(2 * self.low / span + 1),
        ]
        if not all(np.abs(g).max() <= _MAX_WEIGHT for g in self.groups):
            raise ValueError("weights so large that sums of them overflow")


def read_legacy(path: str | PathLike[str], *, axes: str | None = None) -> LegacyNetwork:
    """Read a pickled network without running anything that it asks for.

    Raises
    ------
    InputError
        Not such a pickle, or one that does more than hold arrays.
    AxesError
        Neither `axes` nor custom says what its axes are.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InputError("the file cannot be read", file=path, got=error.strerror) from None
    if len(data) > _MAX_BYTES:
        raise InputError(
            "the file is too large", file=path, expected=f"≤ {_MAX_BYTES} bytes", got="more"
        )
    try:
        _check_opcodes(data)
        loaded = _Unpickler(io.BytesIO(data)).load()
        tree, facts = loaded if isinstance(loaded, tuple) else (loaded, loaded)
        network = LegacyNetwork(
            dict(tree), facts, axes, hashlib.sha256(data).hexdigest(), str(path)
        )
    except InifError:
        raise
    except Exception as error:  # a hostile pickle can fail anywhere: one clear error for all
        raise InputError(
            "this is not a network pickled by the authors' program",
            file=path,
            expected="a FlatMapping of float32 arrays, then the image's shape, min and max",
            got=clean_text(str(error)) or type(error).__name__,
        ) from None
    if not network.axes:
        raise AxesError(
            "the pickle does not name the axes of this image",
            file=path,
            field="axes",
            expected=f"{len(network.shape)} letters of TCZYX",
            got=network.sizes,
            fix="name them with --axes in this order, a C where the channels are",
        )
    network.axes = check_axes(network.axes, network.shape, file=path)
    return network


def _check_opcodes(data: bytes) -> None:
    for count, (opcode, _argument, _position) in enumerate(pickletools.genops(data)):
        if opcode.name not in _OPCODES:
            raise ValueError(f"pickle instruction {opcode.name} is not allowed")
        if count == _MAX_INSTRUCTIONS:
            raise ValueError(f"more than {_MAX_INSTRUCTIONS} pickle instructions")


def _array(tree: Any, module: str, name: str) -> np.ndarray:
    value = tree[module][name]
    if not isinstance(value, np.ndarray) or value.dtype != np.float32:
        raise TypeError(f"{module} {name} is not a float32 array")
    return value


class _Dtype:
    """Stands in for numpy.dtype: a name, then a byte order."""

    def __init__(self, name: str, _align: bool = False, _copy: bool = True) -> None:
        if name not in ("f4", "u2", "u4", "u1", "i2", "i4", "i8", "f8", "b1"):
            raise ValueError(f"sample type {name!r} is not allowed")
        self.order, self.name = "<", name

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.order = state[1]

    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.name)


class _Array:
    """Stands in for numpy.ndarray: shape, type and bytes arrive by ``__setstate__``."""

    value: np.ndarray

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, dtype, fortran, data = state
        flat = np.frombuffer(data, dtype.numpy())
        self.value = flat.reshape(shape, order="F" if fortran else "C")


def _reconstruct(_kind: Any, _shape: Any, _code: Any) -> _Array:
    return _Array()


def _reconstruct_jax(function: Any, args: Any, state: Any, _aval: Any) -> np.ndarray:
    array = _Array()
    if function is not _RECONSTRUCT or args[0] is not _Array:
        raise ValueError("an array is built by a function that is not allowed")
    array.__setstate__(state)
    return array.value


def _scalar(dtype: _Dtype, data: bytes) -> Any:
    return np.frombuffer(data, dtype.numpy(), count=1)[0]


class _Call:
    """A function that a pickle may call and do nothing else with: BUILD would set attributes."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)

    def __setstate__(self, state: Any) -> None:
        raise ValueError("a function cannot be given a state")


_RECONSTRUCT, _RECONSTRUCT_JAX = _Call(_reconstruct), _Call(_reconstruct_jax)
_SCALAR = _Call(_scalar)


class _Unpickler(pickle.Unpickler):
    """Finds stand-ins of this module by the names that the authors' files use, and nothing else."""

    _ALLOWED = {  # noqa: RUF012  (never changed)
        ("haiku._src.data_structures", "FlatMapping"): dict,
        ("jax._src.array", "_reconstruct_array"): _RECONSTRUCT_JAX,
        ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
        ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
        ("numpy.core.multiarray", "scalar"): _SCALAR,
        ("numpy._core.multiarray", "scalar"): _SCALAR,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Dtype,
        ("builtins", "slice"): slice,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._ALLOWED[module, name]
        except KeyError:
            raise ValueError(f"the name {module}.{name} is not allowed") from None
