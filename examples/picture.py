"""Draws the README's picture: the bundled stack at 128 : 1, decoded, and what was lost.

Run as ``python examples/picture.py``; it writes docs/figures/example.png.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image as Picture

import inif
from inif.metrics.figure import figure_png
from inif.outputs import write_file

HERE = Path(__file__).resolve().parent
IMAGE = HERE / "hipsc_dna_zyx_u16.ome.tif"
OUT = HERE.parent / "docs" / "figures" / "example.png"


def main() -> None:
    result = inif.evaluate(IMAGE, inif.compress(IMAGE, ratio=128))
    picture = Picture.open(io.BytesIO(figure_png(result))).convert("RGB")
    small = io.BytesIO()
    picture.quantize(256, dither=Picture.Dither.NONE).save(small, "PNG", optimize=True)
    write_file(OUT, small.getvalue(), overwrite=True)
    print(OUT)


if __name__ == "__main__":
    main()
