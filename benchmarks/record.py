"""What every benchmark shares: where images are, and how a result is kept."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from inif._version import __version__

RESULTS = Path(__file__).resolve().parent / "results"


def data_dir() -> Path:
    """The folder of real images that INIF_DATA names; leaves, saying why, where there is none."""
    folder = os.environ.get("INIF_DATA")
    if not folder or not Path(folder).is_dir():
        print("skipped: set INIF_DATA to a folder of real images", file=sys.stderr)
        raise SystemExit(0)
    return Path(folder)


def images(folder: Path) -> Iterator[Path]:
    """The TIFF images of a folder, by name."""
    yield from sorted(p for p in folder.iterdir() if p.name.endswith((".tif", ".tiff")))


def save(name: str, body: dict[str, Any], path: Path | None = None) -> Path:
    """Write one result as JSON, with the command, versions, machine and date."""
    RESULTS.mkdir(exist_ok=True)
    record = {
        "benchmark": name,
        "command": " ".join(["python", *(Path(word).name for word in sys.argv)]),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "versions": {"inif": __version__}
        | {p: version(p) for p in ("numpy", "jax", "optax", "constriction") if find_spec(p)}
        | {"python": platform.python_version()},
        "machine": {"system": platform.machine(), "cores": os.cpu_count()},
        **body,
    }
    path = path or RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")
    return path


def load(name: str) -> dict[str, Any]:
    """An earlier result, or an empty one."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def clock(call: Callable[[], Any]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
