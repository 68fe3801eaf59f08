"""How every figure is drawn to a file: the same on every run, and small.

Files carry no dates, and have a palette of 256 colours, so that the repository stays small.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from inif.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, FAINT = "#1a1a1a", "#666666"
DPI = 100
LIMIT_BYTES = 200_000


def png(draw: Callable[[Figure], None], width: float, height: float) -> bytes:
    """Draw a figure of that many inches; with fewer dots where its file gets too large."""
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plot", need="a figure") from error
    from PIL import Image

    out = io.BytesIO()
    with matplotlib.rc_context({"font.size": 8, "font.family": "DejaVu Sans"}):
        for dpi in (DPI, DPI * 4 // 5, DPI * 3 // 5):
            fig = Figure(figsize=(width, height), dpi=dpi, facecolor="white")
            canvas: Any = FigureCanvasAgg(fig)
            draw(fig)
            canvas.draw()
            picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
            out = io.BytesIO()
            picture.quantize(256, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
            if out.tell() <= LIMIT_BYTES:
                break
    return out.getvalue()
