"""Networks pickled by the method's first authors, read safely and stored as small `.inif` files.

A pickle is a program. Here its instructions are checked against a list before any runs, and the
only names it can reach are stand-ins of our own that build arrays and nothing else. What the
pickles hold: haiku's FlatMapping of jax arrays (module → {"w", "b"}; a scalar "freq_adjust"), then
a dict with the image's shape and range. The network is sin((90 + freq_adjust)·(x W + b)), seven
layers, output · (max - min) / 100 = counts, coordinates i/(n - 1)·2 - 1 per axis.
"""

from __future__ import annotations

import hashlib
import io
import math
import pickle
import pickletools
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inif.errors import InifError, InputError

if TYPE_CHECKING:
    from inif.decode.file import File

_MAX_BYTES = 256 << 20
_OMEGA = 90.0
_PERCENT = 100.0
_SAMPLE = 65536
_DEFAULT_PSNR = 57.5
_OPCODES = frozenset(
    (  # noqa: SIM905  (a list of names reads best as text)
        "PROTO FRAME STOP MARK SHORT_BINUNICODE BINUNICODE MEMOIZE BINGET LONG_BINGET STACK_GLOBAL "
        "EMPTY_DICT EMPTY_TUPLE EMPTY_LIST TUPLE TUPLE1 TUPLE2 TUPLE3 BININT BININT1 BININT2 LONG1 "
        "BINFLOAT SHORT_BINBYTES BINBYTES NEWFALSE NEWTRUE NONE REDUCE BUILD SETITEM SETITEMS "
        "APPEND APPENDS"
    ).split()
)


def convert(
    path: str | PathLike[str],
    out: str | PathLike[str],
    *,
    psnr: float | None = None,
    size: int | None = None,
    axes: str | None = None,
) -> File:
    """Store a pickled network as a quantised and coded `.inif` file.

    Parameters
    ----------
    psnr
        Quality to keep in dB, against the network's own float32 decode; 57.5 by default.
    size
        Largest size of the file in bytes, instead.
    axes
        The image's axes; "ZYX" by default for three, as in the authors' images.

    Raises
    ------
    InputError
        Not such a pickle, one that does more than hold arrays, or a target that cannot be met.
    """
    from inif.container.writer import write_file
    from inif.decode.file import open_file
    from inif.encode.convert import encode_network

    network = read_legacy(path, axes=axes)
    write_file(out, encode_network(network, psnr=psnr or _DEFAULT_PSNR, size=size))
    return open_file(out)


class LegacyNetwork:
    """A network as the file would hold it without rounding.

    Attributes
    ----------
    axes, shape, dtype, low, high
        The image it was fitted to.
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
        self.shape = tuple(int(n) for n in facts["shape"].values() if n)
        self.shape = self.shape[: weights[0].shape[0]]
        self.axes = axes or ("ZYX" if len(self.shape) == 3 else "")
        self.dtype = np.dtype("uint16")
        self.low, self.high = int(facts["min"]), int(facts["max"])
        self.digest, self.path = digest, path
        width = weights[0].shape[1]
        good = (
            self.low < self.high
            and math.prod(self.shape) > 0
            and [w.shape for w in weights]
            == [(len(self.shape), width), *[(width, width)] * (len(layers) - 2), (width, 1)]
            and all(b.shape == (w.shape[1],) for w, b in zip(weights, biases, strict=True))
            and all(np.isfinite(a).all() for a in (*weights, *biases, frequency))
        )
        if not good:
            raise ValueError("the arrays do not form a seven-layer network with its image")
        span = self.high - self.low
        scale = np.float32(2 / _PERCENT)
        self.groups = [
            *[np.ascontiguousarray(w.T) * frequency for w in weights[:-1]],
            np.ascontiguousarray(weights[-1].T) * scale,
            np.stack(biases[:-1]) * frequency,
            biases[-1] * scale - np.float32(2 * self.low / span + 1),
        ]


def read_legacy(path: str | PathLike[str], *, axes: str | None = None) -> LegacyNetwork:
    """Read a pickled network without running anything that it asks for.

    Raises
    ------
    InputError
        As `convert`.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError("the file cannot be read", file=path, got=error.strerror) from None
    if len(data) > _MAX_BYTES:
        raise InputError(
            "the file is too large", file=path, expected=f"≤ {_MAX_BYTES} bytes", got=len(data)
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
            got=str(error) or type(error).__name__,
        ) from None
    from inif.axes import check_axes

    check_axes(network.axes, network.shape, file=path)
    return network


def _check_opcodes(data: bytes) -> None:
    for opcode, _argument, _position in pickletools.genops(data):
        if opcode.name not in _OPCODES:
            raise ValueError(f"pickle instruction {opcode.name} is not allowed")


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
    if function is not _reconstruct or args[0] is not _Array:
        raise ValueError("an array is built by a function that is not allowed")
    array.__setstate__(state)
    return array.value


def _scalar(dtype: _Dtype, data: bytes) -> Any:
    return np.frombuffer(data, dtype.numpy(), count=1)[0]


class _Unpickler(pickle.Unpickler):
    """Finds stand-ins of this module by the names that the authors' files use, and nothing else."""

    _ALLOWED = {  # noqa: RUF012  (never changed)
        ("haiku._src.data_structures", "FlatMapping"): dict,
        ("jax._src.array", "_reconstruct_array"): _reconstruct_jax,
        ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
        ("numpy.core.multiarray", "scalar"): _scalar,
        ("numpy._core.multiarray", "scalar"): _scalar,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Dtype,
        ("builtins", "slice"): slice,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._ALLOWED[module, name]
        except KeyError:
            raise ValueError(f"the name {module}.{name} is not allowed") from None
