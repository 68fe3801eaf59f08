"""Networks of the repair that have not learned from an image, to judge it by.

The shipped one learned from every development image; each of these left a quarter of them out
(``networks/left_out.json``, by the digest of the samples). Importing this module makes them known
to inif, so that hybrids can name them.
"""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files

import numpy as np

from inif.fields.repair import NETWORKS

SHIPPED = "a"
FOLDER = files("inif_bench") / "networks"
LEFT_OUT: dict[str, dict[str, str]] = json.loads((FOLDER / "left_out.json").read_text("utf-8"))
"""Network → image → SHA-256 of its samples."""

NETWORKS.update({name: FOLDER / f"{name}.npz" for name in LEFT_OUT})


def samples_digest(data: np.ndarray) -> str:
    """SHA-256 of an image's samples in C order, as hexadecimal digits."""
    return hashlib.sha256(np.ascontiguousarray(data).data).hexdigest()


def unseen(data: np.ndarray) -> str:
    """The network to judge with on an image: one that did not learn from its samples."""
    digest = samples_digest(data)
    return next((n for n, images in LEFT_OUT.items() if digest in images.values()), SHIPPED)
