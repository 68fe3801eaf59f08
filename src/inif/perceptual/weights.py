"""The weights of LPIPS: those in the package, and heads that were tuned; in safetensors.

Where they come from, and under which licences, stands in lpips.md beside them.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.resources import files
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from inif.errors import InputError, MissingExtraError
from inif.perceptual.lpips import CHANNELS, KERNELS, Lpips

DEFAULT = "lpips"
SHIPPED = {DEFAULT: "lpips.safetensors", "microscopy": "microscopy.safetensors"}
"""Sets of heads in the package, by name."""

ENDING = ".safetensors"
_MOST_BYTES = 1 << 20  # of a file of heads
_HEADS = tuple(f"head{i + 1}" for i in range(len(CHANNELS)))


def require() -> None:
    """Nothing, where LPIPS can be used.

    Raises
    ------
    MissingExtraError
        safetensors is not installed.
    """
    try:
        import safetensors.numpy  # noqa: F401
    except ImportError:
        raise MissingExtraError("safetensors", "perceptual", need="LPIPS") from None


def load(heads: str = DEFAULT) -> Lpips:
    """LPIPS with heads of the package, or those in a file; float32.

    Parameters
    ----------
    heads
        A name of `SHIPPED`, or a path that ends in ``.safetensors``.

    Raises
    ------
    InputError
        No heads of that name, or a file that cannot be used.
    MissingExtraError
        safetensors is not installed.
    """
    require()
    tensors = _backbone()
    chosen = check_heads(heads)
    found = load_heads(heads) if chosen is None else _shipped(chosen)
    return Lpips(
        tuple(jnp.asarray(tensors[f"conv{i + 1}.kernel"]) for i in range(len(KERNELS))),
        tuple(jnp.asarray(tensors[f"conv{i + 1}.bias"]) for i in range(len(KERNELS))),
        tuple(jnp.asarray(h) for h in found),
    )


def check_heads(heads: str) -> str | None:
    """The name of shipped heads, None for a file's; refuses anything else.

    Raises
    ------
    InputError
        Neither a name in the package nor an existing file of that ending.
    """
    if heads in SHIPPED:
        return heads
    if not heads.endswith(ENDING) or not Path(heads).is_file():
        raise InputError(
            "there are no heads of this name",
            field="heads",
            expected=f"{', '.join(SHIPPED)} or a file NAME{ENDING}",
            got=heads,
            fix=f"make one: inif perceptual tune IMAGES… --out NAME{ENDING}",
        )
    return None


def load_heads(path: str | os.PathLike[str]) -> tuple[np.ndarray, ...]:
    """Five arrays (channels,) float32 from a file that `save_heads` wrote.

    Raises
    ------
    InputError
        The file cannot be read, or holds something else than heads.
    MissingExtraError
        safetensors is not installed.
    """
    require()
    file = Path(path)
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise InputError(
                "this file is too large for heads",
                file=file,
                field="size",
                expected=f"at most {_MOST_BYTES} bytes",
                got=file.stat().st_size,
            )
        data = file.read_bytes()
    except OSError as error:
        raise InputError(
            f"these heads cannot be read ({error.strerror or error})", file=file, field="heads"
        ) from error
    return _heads_of(_tensors(data, file), file)


def save_heads(
    heads: tuple[np.ndarray, ...],
    path: str | os.PathLike[str],
    made: str,
    *,
    overwrite: bool = False,
) -> None:
    """Write heads to a file, whole or not at all.

    Parameters
    ----------
    heads
        Five arrays (channels,), 0 or more.
    made
        How they were made; kept in the file.
    overwrite
        Whether an existing file is replaced.

    Raises
    ------
    InputError
        The file exists or cannot be written.
    MissingExtraError
        safetensors is not installed.
    """
    require()
    from safetensors.numpy import save

    from inif.outputs import write_file

    tensors = {
        name: np.ascontiguousarray(head, np.float32)
        for name, head in zip(_HEADS, heads, strict=True)
    }
    data = save(tensors, {"made": made})
    write_file(path, data, overwrite=overwrite)


@cache
def _packaged(name: str) -> dict[str, np.ndarray]:
    data = (files("inif.perceptual") / SHIPPED[name]).read_bytes()
    return _tensors(data, SHIPPED[name])


def _backbone() -> dict[str, np.ndarray]:
    return _packaged(DEFAULT)


def _shipped(name: str) -> tuple[np.ndarray, ...]:
    return tuple(_packaged(name)[h] for h in _HEADS)


def _tensors(data: bytes, file: object) -> dict[str, np.ndarray]:
    """Named arrays as float32."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as parse

    try:
        return {name: np.asarray(a, np.float32) for name, a in parse(data).items()}
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            "this is not a sound safetensors file",
            file=file,
            field="heads",
            expected=f"tensors {', '.join(_HEADS)}",
            got=str(error),
        ) from error


def _heads_of(tensors: dict[str, np.ndarray], file: object) -> tuple[np.ndarray, ...]:
    for name, channels in zip(_HEADS, CHANNELS, strict=True):
        head = tensors.get(name)
        if head is None:
            got = "nothing"
        elif head.shape != (channels,):
            got = f"shape {head.shape}"
        elif not (np.isfinite(head).all() and (head >= 0).all()):
            got = "numbers below 0, NaN or infinity"
        else:
            continue
        raise InputError(
            "this file does not hold heads of LPIPS",
            file=file,
            field=name,
            expected=f"{channels} numbers, 0 or more",
            got=got,
        )
    return tuple(tensors[name] for name in _HEADS)
