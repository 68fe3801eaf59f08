"""What a compressed layer looks like beside its original: the decoded layer and that of errors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inif.decode.file import File
    from inif.napari.layers import LayerData

_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
_LOOK = ("rgb", "colormap", "contrast_limits", "gamma", "rendering", "interpolation2d")
_SHOWN = 3
"""Root mean square errors that the colours of the errors span, to either side."""


def decoded_layer(file: File, meta: Mapping[str, Any], name: str) -> LayerData:
    """The decoded image, placed and coloured as its original is; samples stay undecoded.

    Parameters
    ----------
    file
        What was made of the layer, with the axes in the layer's order.
    meta
        Of the original layer.
    """
    levels = [level.to_dask() for level in file.levels]
    kept = {key: meta[key] for key in _PLACE + _LOOK if key in meta}
    kept |= {"name": name, "metadata": {"inif": file.attrs}}
    return _layer(levels, kept)


def error_layer(file: File, original: Any, meta: Mapping[str, Any], name: str) -> LayerData:
    """Decoded minus original in float32; magenta is too dark, green too bright, white is right.

    Of colours it is the largest error of the three, without its sign.

    Parameters
    ----------
    original
        The samples of the layer, of its first level.
    """
    import dask.array as da

    decoded = file.levels[0].to_dask()
    before = original
    if not isinstance(original, da.Array):
        before = da.from_array(original, chunks=decoded.chunks, asarray=True, name=False)
    error = decoded.astype("float32") - before.astype("float32")
    if meta.get("rgb"):
        error = abs(error).max(axis=-1)
    axes = file.axes.removesuffix("C") if meta.get("rgb") else file.axes
    levels = [
        error[tuple(slice(None, None, level.step) if a in "YX" else slice(None) for a in axes)]
        for level in file.levels
    ]
    most = _SHOWN * rms_error(file)
    kept = {key: meta[key] for key in _PLACE if key in meta}
    kept |= {"name": name, "colormap": "PiYG", "contrast_limits": (-most, most), "visible": False}
    return _layer(levels, kept)


def rms_error(file: File) -> float:
    """About how far samples are off, from what the file records; 1 of one that is exact."""
    psnr = (file.header.get("lossy") or {}).get("psnr")
    span = max((float(high) - float(low) for low, high in file.header["range"]), default=0.0)
    return span * 10 ** (-psnr / 20) if psnr and math.isfinite(psnr) and span else 1.0


def _layer(levels: Sequence[Any], arguments: dict[str, Any]) -> LayerData:
    several = len(levels) > 1
    return list(levels) if several else levels[0], arguments | {"multiscale": several}, "image"
