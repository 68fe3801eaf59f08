"""OME-Zarr stores for tests, as other programs write them: 0.4 and 0.5, plates, series, labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from inif.scale.skeleton import write_skeleton
from inif.scale.tree import ArrayPlan, Tree

TYPES = {"t": "time", "c": "channel"}


def axes_of(letters: str, version: str = "0.4") -> list[Any]:
    """Entries of "axes"; spatial ones in micrometers."""
    if version == "0.3":
        return list(letters)
    return [
        {"name": a, "type": TYPES.get(a, "space")} | ({"unit": "micrometer"} if a in "zyx" else {})
        for a in letters
    ]


def entry(
    levels: int,
    axes: str,
    version: str,
    name: str = "",
    step: float = 0.5,
    prefix: str = "",
) -> dict[str, Any]:
    """An entry of "multiscales"."""
    origin = [10.0 if a in "yx" else 0.0 for a in axes]
    image: dict[str, Any] = {
        "axes": axes_of(axes, version),
        "datasets": [
            {"path": f"{prefix}{k}"}
            | (
                {}
                if version < "0.4"
                else {
                    "coordinateTransformations": [
                        {
                            "type": "scale",
                            "scale": [step * 2**k if a in "yx" else 1.0 for a in axes],
                        },
                        {
                            "type": "translation",
                            "translation": origin,
                        },
                    ]
                }
            )
            for k in range(levels)
        ],
        "vendor": {"kept": [1, None, "é"]},
    }
    if version < "0.5":
        image["version"] = version
    return image | ({"name": name} if name else {})


def say(group: Any, version: str, ome: dict[str, Any], **other: Any) -> None:
    """Give a group its metadata where this version has them, and other attributes."""
    if version == "0.5":
        group.attrs.update({"ome": {"version": "0.5", **ome}, **other})
    else:
        group.attrs.update({**ome, **other})


def group_at(path: Path | str, version: str) -> Any:
    """A new group."""
    return zarr.create_group(path, zarr_format=3 if version == "0.5" else 2)


def add_array(group: Any, name: str, data: np.ndarray, axes: str = "", **options: Any) -> None:
    """An array with an attribute of its own; of version 2 with nested chunks, as OME-Zarr wants."""
    if group.metadata.zarr_format == 2:
        options.setdefault("chunk_key_encoding", {"name": "v2", "separator": "/"})
    elif axes:
        options["dimension_names"] = list(axes)
    options.setdefault("chunks", tuple(min(n, 16) for n in data.shape))
    group.create_array(name, data=data, attributes={"own": name}, **options)


def add_image(
    group: Any,
    data: np.ndarray,
    axes: str,
    version: str,
    *,
    levels: int = 2,
    ome: dict[str, Any] | None = None,
    **options: Any,
) -> None:
    """Levels of every second sample, and the metadata of an image."""
    for k in range(levels):
        add_array(group, str(k), data[..., :: 2**k, :: 2**k], axes, **options)
    say(
        group,
        version,
        {"multiscales": [entry(levels, axes, version)], **(ome or {})},
        custom={"deep": [1, 2, {"x": None}]},
    )


def samples(*shape: int, dtype: str = "uint16", seed: int = 0) -> np.ndarray:
    """Noise."""
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)


def image_store(
    path: Path, data: np.ndarray, axes: str, version: str = "0.4", **options: Any
) -> Path:
    """An image."""
    add_image(group_at(path, version), data, axes, version, **options)
    return path


def add_labels(group: Any, data: np.ndarray, axes: str, version: str, names: Sequence[str]) -> None:
    """Labels of an image."""
    labels = group.create_group("labels")
    say(labels, version, {"labels": list(names)})
    for name in names:
        ome: dict[str, Any] = {
            "image-label": {
                "colors": [{"label-value": 1, "rgba": [255, 0, 0, 255]}],
                "source": {"image": "../../"},
            }
        }
        if version < "0.5":
            ome["image-label"]["version"] = version
        add_image(labels.create_group(name), data, axes, version, ome=ome)


def plate_store(path: Path, version: str = "0.4", *, fields: int = 2, skip: str = "") -> Path:
    """A plate of 2 × 2 wells; the well `skip` is listed and not there."""
    root = group_at(path, version)
    wells = [(r, c) for r in "AB" for c in "12"]
    plate: dict[str, Any] = {
        "name": "p",
        "rows": [{"name": "A"}, {"name": "B"}],
        "columns": [{"name": "1"}, {"name": "2"}],
        "wells": [
            {"path": f"{r}/{c}", "rowIndex": "AB".index(r), "columnIndex": "12".index(c)}
            for r, c in wells
        ],
        "field_count": fields,
        "acquisitions": [{"id": 1, "name": "a"}],
    }
    plate["version"] = version
    say(root, version, {"plate": plate}, barcode="x1")
    for number, (r, c) in enumerate(wells):
        if f"{r}/{c}" == skip:
            continue
        row = root.require_group(r)
        row.attrs["row"] = r
        well = row.create_group(c)
        body: dict[str, Any] = {
            "images": [{"path": str(f), "acquisition": 1} for f in range(fields)]
        }
        if version < "0.5":
            body["version"] = version
        say(well, version, {"well": body})
        for f in range(fields):
            add_image(
                well.create_group(str(f)), samples(3, 20, 24, seed=number + f), "cyx", version
            )
    return path


def series_store(path: Path, version: str = "0.4", names: Sequence[str] = ("0", "1")) -> Path:
    """What bioformats2raw writes: images and the OME-XML of the file they come from."""
    root = group_at(path, version)
    say(root, version, {"bioformats2raw.layout": 3})
    for number, name in enumerate(names):
        add_image(root.create_group(name), samples(1, 2, 3, 20, 24, seed=number), "tczyx", version)
    say(root.create_group("OME"), version, {"series": list(names)})
    (path / "OME" / "METADATA.ome.xml").write_text("<OME/>")
    return path


BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
SAID = {"target": "ratio 20", "date": "2026-11-28"}


def written(tree: Tree, path: Path) -> Any:
    """The output with all samples, stored as they are: its root."""
    codecs = {plan.path: BYTES for plan in tree.arrays}
    assert write_skeleton(tree, path, codecs, SAID) > 0
    root = zarr.open_group(path, mode="r+", zarr_format=3)
    for plan in tree.arrays:
        array = root[plan.path]
        assert (array.shape, array.dtype) == (plan.shape, plan.dtype)
        assert (array.chunks, array.shards) == (plan.chunks, plan.shards)
        array[...] = whole(plan)
    return zarr.open_group(path, mode="r", zarr_format=3)


def whole(plan: ArrayPlan) -> np.ndarray:
    """All samples of an array that is planned."""
    return plan.source.read(tuple(slice(0, n) for n in plan.shape))


def paths(tree: Tree) -> list[str]:
    """Of the arrays."""
    return [plan.path for plan in tree.arrays]


def remark(tree: Tree, part: str) -> str:
    """The one remark with this in it."""
    (found,) = [r for r in tree.remarks if part in r]
    return found
