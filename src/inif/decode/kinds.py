"""Which bricks a file has: the right kind for a header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from inif.bricks import BrickGrid
from inif.container.reader import Container
from inif.container.spec import CORRECTIONS, LOSSLESS
from inif.decode.brick import FieldBricks, Intensities
from inif.decode.contract import Bricks
from inif.errors import UnsupportedError


def bricks_of(
    container: Container, grid: BrickGrid, intensities: Intensities, device: str | None
) -> Bricks:
    """The bricks of a file, by its kind; codecs are imported only for files that need them."""
    header = container.header
    if device is not None and (LOSSLESS in header["requires"] or not _pure(header)):
        raise UnsupportedError(
            "only pure fields are evaluated on a device",
            file=container.name,
            field="device",
            got=f"a file of another method, and device {device!r}",
            fix="open it without a device",
        )
    if LOSSLESS in container.header["requires"]:
        from inif.decode.lossless import LosslessBricks

        return LosslessBricks(container, grid, np.dtype(container.header["dtype"]))
    if container.header["field"]["kind"] == "latent":
        if CORRECTIONS in container.header["requires"]:
            from inif.decode.corrections import CorrectedBricks

            return CorrectedBricks(container, grid, intensities)
        from inif.decode.latent import LatentBricks

        return LatentBricks(container, grid, intensities)
    if _pure(container.header):
        return FieldBricks(container, grid, intensities, device)
    from inif.decode.hybrid import HybridBricks

    return HybridBricks(container, grid, intensities)


def _pure(header: Mapping[str, Any]) -> bool:
    """Whether a file that is not lossless is a pure field: networks alone."""
    return "codec" not in header and header["field"]["kind"] != "latent"
