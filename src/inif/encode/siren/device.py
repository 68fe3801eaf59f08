"""Whether there is a device besides the CPU, and programs compiled for it, kept between processes.

Programs for CPUs are kept only where the user asks JAX to: on many Intel processors XLA refuses,
with lines of errors, to load what it compiled there itself (docs/fitting.md, "On a GPU").
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_PLUGINS = ("jax_plugins", "libtpu")
_LEAST_SECONDS = 0.1
"""What a program must take to compile, to be kept."""


def accelerated() -> bool:
    """Whether JAX computes on something else than the CPU.

    JAX is not imported where it has no plugin for anything else.
    """
    if not any(find_spec(name) for name in _PLUGINS):
        return False
    import jax

    return str(jax.default_backend()) != "cpu"


def keep_programs() -> None:
    """Have JAX keep what it compiles for a device in the user's cache folder.

    What the user has set by JAX's own variables or in Python stays. Where the folder cannot be
    made or written, nothing is kept.
    """
    if not accelerated():
        return
    import jax

    config: Any = jax.config
    if config.jax_compilation_cache_dir is None and (folder := _folder()):
        config.update("jax_compilation_cache_dir", str(folder))
        config.update("jax_persistent_cache_min_compile_time_secs", _LEAST_SECONDS)


def _folder() -> Path | None:
    """A folder for this user alone, for what is in it is run; None where there cannot be one."""
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(base) / "inif" / "jax"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None
