"""Fitted networks from elsewhere, quantised and coded like ours (`inif convert`)."""

from __future__ import annotations

import math
from os import PathLike
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from inif._version import __version__
from inif.axes import coordinates
from inif.bricks import BrickGrid
from inif.coding import qweights
from inif.config import Target
from inif.container.writer import Packed, Section, assemble, packed_size
from inif.decode.brick import BrickDecoder, Intensities
from inif.decode.check import check_of
from inif.decode.file import File, open_file
from inif.encode.record import psnr_of
from inif.encode.siren import step_sizes
from inif.encode.siren.budget import StepControl, quantize_all
from inif.encode.siren.sensitivity import sensitivity
from inif.errors import BudgetError
from inif.fields.siren import Siren
from inif.legacy import LegacyNetwork, read_legacy
from inif.outputs import check_room, check_target, write_file

_DEFAULT_PSNR = 57.5
_SAMPLE = 65536
_FINEST = 2.0**-40


def convert(
    path: str | PathLike[str],
    out: str | PathLike[str],
    *,
    psnr: float | None = None,
    size: int | None = None,
    axes: str | None = None,
    overwrite: bool = False,
) -> File:
    """Store a pickled network as a quantised and coded `.inif` file.

    Parameters
    ----------
    psnr
        Quality to keep in dB, against the network's own float32 decode; 57.5 by default.
    size
        Largest size of the file in bytes, instead.
    axes
        The image's axes, of "TCZYX"; "ZYX" by default for three, as in the authors' images. A
        C is the coordinate of the channel, wherever it stands.
    overwrite
        Whether an existing `out` is replaced.

    Raises
    ------
    InputError
        Not such a pickle, one that does more than hold arrays, a target that cannot be met, or an
        `out` that exists or cannot be written.
    """
    if psnr is None and size is None:
        psnr = _DEFAULT_PSNR
    target = Target(size=size, psnr=psnr)
    check_target(out, overwrite=overwrite, field="out", inputs=[path])
    network = read_legacy(path, axes=axes)

    if size is not None:
        check_room(out, size, field="out")
    data = encode_network(network, psnr=target.psnr, size=target.size)
    write_file(out, data, overwrite=overwrite)
    return open_file(out)


def encode_network(network: LegacyNetwork, *, psnr: float | None, size: int | None) -> Packed:
    """A file whose decode keeps to the network's own, to a PSNR or within a size.

    Parameters
    ----------
    psnr
        In dB over the image's range, against the float32 decode, on random voxels.
    size
        Bytes, where `psnr` is None.

    Raises
    ------
    BudgetError
        The target cannot be met.
    """
    field = Siren.for_image(
        network.axes,
        network.shape,
        channels="coordinate",
        width=network.groups[0].shape[0],
        layers=len(network.groups) - 2,
    )
    coords = _random_points(network.shape)
    stacked = [g[None] for g in network.groups]
    derived = jax.jit(sensitivity)(
        tuple(jnp.asarray(g) for g in network.groups), jnp.asarray(coords.T)
    )
    voxels = np.array([float(math.prod(network.shape))])
    control = StepControl(0.0, voxels, step_sizes.exponents(np.asarray(derived)[None], voxels))
    wanted = field.points(network.groups, coords)

    def quality(weights: qweights.QuantizedWeights) -> float:
        difference = field.points(weights.weights(), coords).astype(np.float64) - wanted
        return psnr_of(float(np.mean(difference**2)))

    header = _header(network, field, {"size": size} if psnr is None else {"psnr": psnr})
    overhead = packed_size(header, [Section(qweights.KIND, b"", 0)]) + 8
    if psnr is not None:
        weights = _coarsest(control, stacked, quality, psnr, network.path)
    else:
        assert size is not None
        try:
            weights = control.land(stacked, size - overhead)[0][0]
        except ValueError:
            raise BudgetError(
                "the network does not fit this size",
                file=network.path,
                field="size",
                got=f"{size} bytes",
                fix="ask for a larger size",
            ) from None
    header["lossy"]["psnr"] = round(quality(weights), 3)
    return assemble(header, [_checked_section(network, field, weights, header)])


def _coarsest(
    control: StepControl, stacked: list[np.ndarray], quality: Any, psnr: float, path: str
) -> qweights.QuantizedWeights:
    """The coarsest steps, to about 1 %, that keep a quality."""
    assert control.exponents is not None

    def at(base: float) -> qweights.QuantizedWeights:
        return quantize_all(stacked, control.exponents, base)[0]  # type: ignore[arg-type]

    base = 1.0
    while quality(at(base)) < psnr:
        base /= 2
        if base < _FINEST:
            raise BudgetError(
                "rounded weights cannot keep this quality",
                file=path,
                field="psnr",
                got=f"{psnr} dB",
                fix="ask for less",
            )
    low, high = base, 2 * base
    while high > low * 1.01:
        middle = math.sqrt(low * high)
        if quality(at(middle)) >= psnr:
            low = middle
        else:
            high = middle
    return at(low)


def _channels(network: LegacyNetwork) -> int:
    return network.shape[network.axes.index("C")] if "C" in network.axes else 1


def _random_points(shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([coordinates(n, rng.integers(0, n, _SAMPLE)) for n in shape])


def _header(network: LegacyNetwork, field: Siren, target: dict[str, Any]) -> dict[str, Any]:
    return {
        "axes": network.axes,
        "shape": list(network.shape),
        "dtype": network.dtype.name,
        "range": [[network.low, network.high]] * _channels(network),
        "field": field.to_json(),
        "requires": [field.feature, qweights.FEATURE],
        "lossy": {
            "method": "siren",
            "target": target,
            "psnr": 57.123,
            "reference": "the converted network's own float32 decode",
            "converted_sha256": network.digest,
            "encoder": f"inif {__version__}",
        },
    }


def _checked_section(
    network: LegacyNetwork,
    field: Siren,
    weights: qweights.QuantizedWeights,
    header: dict[str, Any],
) -> Section:
    intensities = Intensities(np.array(header["range"], np.float64), network.dtype)
    grid = BrickGrid(network.shape, network.shape)
    decoder = BrickDecoder(
        field, weights.weights(), network.axes, grid.extent(0), 0, intensities, as_outputs=False
    )
    samples = decoder.grid([np.arange(n) for n in network.shape])
    check = check_of(samples, header, 0, decoder.inputs())
    return Section(qweights.KIND, qweights.pack(weights, check), 0)
