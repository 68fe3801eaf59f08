"""The weights of learned optimizers: what a published file must hold, and where users' files live.

VeLO's weights are too large to ship (9.3 MB), so a user adds the published file once. Such a file
comes from the network, so it is read as what it is, MessagePack with arrays as flax writes them,
never as a pickle, and every name, shape and number in it is checked.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from inif.errors import InputError, MissingExtraError

Keys = tuple[str, ...]

NAMES = ("velo",)
MAX_BYTES = 64 * 2**20
HIDDEN, BANK = 512, 256  # of the published weights
# How many numbers each group of features has; the groups' order is that of the published weights.
GROUPS = (1, 1, 1, 3, 1, 3, 1, 3, 1, 3, 3, 3, 3, 3)
_SEEN = 30  # what the LSTM is told of each tensor
_WIDTH, _OUTPUTS = 4, 3
_ARRAY, _SCALAR = 1, 3  # MessagePack extension types of flax
_FIX = "take the file 'params' of a published VeLO checkpoint"


def layout(hidden: int = HIDDEN, bank: int = BANK) -> dict[Keys, tuple[int, ...]]:
    """Names and shapes of VeLO's weights, as nested keys.

    Parameters
    ----------
    hidden
        Width of the LSTM.
    bank
        How many small networks the LSTM blends.
    """
    shapes: dict[Keys, tuple[int, ...]] = {
        ("lstm_init_state", "hidden"): (1, hidden),
        ("lstm_init_state", "cell"): (1, hidden),
    }
    for name, rows, columns in (
        ("linear", _SEEN, hidden),
        ("linear_1", _SEEN, hidden),
        ("linear_2", _SEEN, hidden),
        ("rnn/linear", 2 * hidden, 4 * hidden),
        ("rnn_to_controls", hidden, bank),
        ("step_size", hidden, 1),
    ):
        shapes["rnn_params", name, "w"] = (rows, columns)
        shapes["rnn_params", name, "b"] = (columns,)
    small: dict[str, tuple[int, ...]] = {f"w0__{i}": (n, _WIDTH) for i, n in enumerate(GROUPS)}
    small |= {"w1": (_WIDTH, _WIDTH), "w2": (_WIDTH, _OUTPUTS)}
    small |= {"b0": (_WIDTH,), "b1": (_WIDTH,), "b2": (_OUTPUTS,)}
    for name, shape in small.items():
        shapes["ff_mod_stack", "~", name] = (bank, *shape)
    return shapes


def flatten(tree: Mapping[Any, Any], keys: Keys = ()) -> dict[Keys, Any]:
    """The leaves of nested mappings, by their keys from the outside in."""
    leaves: dict[Keys, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            leaves |= flatten(value, (*keys, str(key)))
        else:
            leaves[(*keys, str(key))] = value
    return leaves


def check_layout(
    leaves: Mapping[Keys, Any], shapes: Mapping[Keys, tuple[int, ...]], file: object = None
) -> None:
    """Check the names and the shapes of weights.

    Raises
    ------
    InputError
        A name is missing or not known, or an array has another shape.
    """
    for keys in (*shapes, *leaves):
        got = tuple(leaves[keys].shape) if hasattr(leaves.get(keys), "shape") else None
        if got is not None and got == shapes.get(keys):
            continue
        found = "nothing" if keys not in leaves else type(leaves[keys]).__name__
        raise InputError(
            "these are not the weights of VeLO",
            file=file,
            field=_field(keys),
            expected=f"an array of shape {shapes[keys]}" if keys in shapes else "no such entry",
            got=found if got is None else f"an array of shape {got}",
            fix=_FIX,
        )


def load(path: str | os.PathLike[str]) -> dict[str, Any]:
    """VeLO's weights from a published checkpoint: nested dicts of float32 arrays.

    Raises
    ------
    InputError
        The file cannot be read, is larger than `MAX_BYTES`, or is not such a checkpoint.
    MissingExtraError
        msgpack is not installed.
    """
    return loads(_read(Path(path)), path)


def loads(data: bytes, file: object = None) -> dict[str, Any]:
    """VeLO's weights from a checkpoint's bytes; `file` is named in errors.

    Raises
    ------
    InputError
        The bytes are not such a checkpoint.
    MissingExtraError
        msgpack is not installed.
    """
    body = _unpack(data, file)
    if not isinstance(body, dict) or set(body) != {"params", "gen_id", "step"}:
        got = sorted(map(str, body)) if isinstance(body, dict) else type(body).__name__
        raise InputError(
            "this is not a checkpoint of VeLO",
            file=file,
            field="(top)",
            expected="gen_id, params, step",
            got=got,
            fix=_FIX,
        )
    for name, kinds in (("params", dict), ("gen_id", str), ("step", (int, np.ndarray))):
        if not isinstance(body[name], kinds):
            raise InputError(
                "this is not a checkpoint of VeLO",
                file=file,
                field=name,
                expected={"params": "a map", "gen_id": "text", "step": "a number"}[name],
                got=type(body[name]).__name__,
                fix=_FIX,
            )
    leaves = flatten(body["params"])
    check_layout(leaves, layout(), file)
    for keys, value in leaves.items():
        if not np.isfinite(value).all():
            raise InputError(
                "these weights are damaged",
                file=file,
                field=_field(keys),
                expected="finite numbers",
                got="NaN or infinity",
                fix="get the file again",
            )
    return dict(body["params"])


def add(name: str, path: str | os.PathLike[str]) -> Path:
    """Check a file of weights and copy it to where `find` looks; the copy's path.

    Raises
    ------
    InputError
        An unknown name, weights that cannot be used, or a folder that cannot be written.
    MissingExtraError
        msgpack is not installed.
    """
    target = _target(name)
    data = _read(Path(path))
    loads(data, path)
    temporary: str | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, target)
        temporary = None
    except OSError as error:
        raise InputError(
            f"the weights cannot be kept there ({error.strerror or error})",
            file=target,
            fix="make the folder writable, or name another one in INIF_HOME",
        ) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
    return target


def find(name: str) -> Path | None:
    """The file of weights that a user added, or None.

    Raises
    ------
    InputError
        There is no learned optimizer of this name.
    """
    target = _target(name)
    return target if target.is_file() else None


def installed(name: str) -> dict[str, Any]:
    """The weights that a user added.

    Raises
    ------
    InputError
        There are none, or they cannot be used.
    MissingExtraError
        msgpack is not installed.
    """
    path = find(name)
    if path is None:
        raise InputError(
            f"the weights of {name} are not there: they are too large to come with inif",
            file=_target(name),
            field="optimizer",
            fix=f"inif optimizer add {name} PARAMS_FILE, with a published checkpoint's params",
        )
    return load(path)


def home() -> Path:
    """Folder of the user's own data: INIF_HOME, or where this system keeps such data."""
    chosen = os.environ.get("INIF_HOME")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "inif"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "inif"
    shared = os.environ.get("XDG_DATA_HOME", "")
    # The XDG rules: a relative path is ignored.
    return (Path(shared) if os.path.isabs(shared) else Path.home() / ".local" / "share") / "inif"


def _target(name: str) -> Path:
    if name not in NAMES:
        raise InputError(
            "there is no learned optimizer of this name",
            field="optimizer",
            expected=", ".join(NAMES),
            got=name,
        )
    return home() / "optimizers" / f"{name}.msgpack"


def _read(path: Path) -> bytes:
    """The bytes of a regular file of a sensible size."""
    try:
        if path.exists() and not path.is_file():
            raise InputError("this is not a file", file=path, expected="a file of weights")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"the weights cannot be read ({error.strerror or error})", file=path, fix=_FIX
        ) from error
    if len(data) > MAX_BYTES:
        raise InputError(
            "this file is too large for weights of VeLO",
            file=path,
            field="size",
            expected=f"at most {MAX_BYTES} bytes",
            got=max(path.stat().st_size, len(data)),
            fix=_FIX,
        )
    return data


def _unpack(data: bytes, file: object) -> Any:
    """MessagePack to dicts and arrays, within limits that a sound file cannot meet."""
    try:
        import msgpack
    except ImportError:
        raise MissingExtraError("msgpack", "velo", need="reading VeLO's weights") from None

    def pairs(items: list[tuple[Any, Any]]) -> dict[Any, Any]:
        found = dict(items)
        if len(found) != len(items):
            raise ValueError("a name occurs twice")
        return found

    limits = {"max_str_len": 1024, "max_bin_len": 1024, "max_array_len": 16, "max_map_len": 64}
    try:
        return msgpack.unpackb(
            data,
            raw=False,
            object_pairs_hook=pairs,
            ext_hook=_array,
            max_ext_len=MAX_BYTES,
            **limits,
        )
    except (ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise InputError(
            f"this is not a sound MessagePack file ({error or type(error).__name__})",
            file=file,
            field="(encoding)",
            expected="a checkpoint as flax writes it",
            got=f"{len(data)} bytes that cannot be read",
            fix=_FIX,
        ) from error


def _array(code: int, data: bytes) -> Any:
    """An array or a scalar in flax's extension of MessagePack: (shape, dtype, bytes)."""
    import msgpack

    if code not in (_ARRAY, _SCALAR):
        raise ValueError(f"extension type {code} is not known")
    parts = msgpack.unpackb(
        data, raw=False, max_str_len=16, max_array_len=8, max_map_len=0, max_ext_len=0
    )
    if not isinstance(parts, list) or len(parts) != 3:
        raise ValueError("an array without shape, type and bytes")
    shape, kind, content = parts
    if not isinstance(shape, list) or not all(type(n) is int and 0 <= n < 2**24 for n in shape):
        raise ValueError("an array whose shape is not one")
    number = kind in ("int32", "int64") and not shape  # the step
    if not isinstance(content, bytes) or not (kind == "float32" or number):
        raise ValueError(f"an array of {kind}, not of float32")
    # Files are little-endian: they are written on machines that are.
    dtype = np.dtype(kind).newbyteorder("<")
    values = np.frombuffer(content, dtype)
    return values.reshape(shape).astype(dtype.newbyteorder("="))


def _field(keys: Keys) -> str:
    return "/".join(("params", *keys))
