"""The arrays of an image of OME-Zarr: its levels, and smaller ones where it has only one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from inif.errors import InputError
from inif.image import DTYPES, LOSSLESS_DTYPES, check_memory
from inif.io.ome_zarr import array_path, damaged_metadata, dimension_names
from inif.io.ome_zarr_axes import of_multiscales
from inif.io.ome_zarr_store import check_codecs
from inif.scale.hierarchy import Hierarchy
from inif.scale.layout import chunk_and_shard
from inif.scale.levels import Reduced, factors, reduced_dataset, smaller
from inif.scale.plan import ArrayPlan, Kind
from inif.scale.translate import ome_of, scaled, with_axes


@dataclass(frozen=True)
class Settings:
    """What the user says of the output: see `inif.scale.tree.read_tree`."""

    chunks: Mapping[str, int] | None = None
    shards: Mapping[str, int] | None = None
    axes: str | None = None


@dataclass(frozen=True)
class Found:
    """A group with "multiscales".

    Attributes
    ----------
    attributes
        Of the group, as they will be.
    arrays
        Levels of all its images.
    paths
        Arrays of the input that the metadata name.
    remarks
        What the user must know.
    """

    attributes: dict[str, Any]
    arrays: list[ArrayPlan]
    paths: set[str]
    remarks: list[str]


def kind_of(dtype: np.dtype[Any], *, labels: bool, file: str) -> Kind:
    """What is done with samples of a type.

    Raises
    ------
    InputError
        Nothing can be done with it.
    """
    if dtype.name not in LOSSLESS_DTYPES:
        raise InputError(
            "this sample type cannot be compressed",
            file=file,
            field="dtype",
            expected=" or ".join(LOSSLESS_DTYPES),
            got=dtype.name,
        )
    return "labels" if labels else "image" if dtype.name in DTYPES else "exact"


def exact_remark(place: str, dtype: np.dtype[Any]) -> str:
    """The remark on an image that lossy methods do not take."""
    return f"{place or 'the image'}: samples of type {dtype.name} are stored losslessly"


def multiscale(
    hierarchy: Hierarchy,
    path: str,
    out: str,
    attributes: Mapping[str, Any],
    version: str | None,
    settings: Settings,
    *,
    entry: int | None,
    labels: bool,
) -> Found:
    """The levels of the images of a group.

    Parameters
    ----------
    path, out
        Of the group in the input and in the output.
    attributes
        Of the group, as OME-Zarr 0.5.
    version
        Of its metadata in the input.
    entry
        Number of the only image to take; None: all.
    labels
        Whether they are labels.

    Raises
    ------
    InputError
        Damaged metadata, a level that is missing, empty, or holds what cannot be compressed.
    AxesError
        The axes of a level are not known.
    """
    ome = dict(ome_of(attributes))
    where = f"{hierarchy.name}/{path}" if path else hierarchy.name
    images = ome["multiscales"]
    if not isinstance(images, list) or not images or not all(isinstance(i, dict) for i in images):
        raise damaged_metadata(where, "multiscales", "a list with an image")
    found = Found({**attributes, "ome": ome}, [], set(), [])
    reader = _Reader(hierarchy, path, out, version, settings, labels, found)
    kept = [
        reader.image(image, keep=entry in (None, number)) for number, image in enumerate(images)
    ]
    ome["multiscales"] = kept if entry is None else [kept[entry]]
    return found


@dataclass(frozen=True)
class _Reader:
    """What is the same for all images of a group: see `multiscale`."""

    hierarchy: Hierarchy
    path: str
    out: str
    version: str | None
    settings: Settings
    labels: bool
    found: Found

    @property
    def _where(self) -> str:
        return f"{self.hierarchy.name}/{self.path}" if self.path else self.hierarchy.name

    def image(self, image: Mapping[str, Any], *, keep: bool) -> dict[str, Any]:
        """An entry of "multiscales" as it will be; its levels go to `found`, if it is kept."""
        datasets = image.get("datasets")
        if not isinstance(datasets, list) or not datasets:
            raise damaged_metadata(self._where, "multiscales.datasets", "a list with a path")
        paths = [array_path(d, self._where) for d in datasets]
        self.found.paths.update(self._inside(p) for p in paths)
        if not keep:
            return dict(image)
        plans: list[ArrayPlan] = []
        names: Sequence[str] = ()
        for level, path in enumerate(paths):
            plan, names = self._plan(image, path, level)
            plans.append(plan)
        self._remark(plans, image)
        done = {**with_axes(image, names)}
        if any(not d.get("coordinateTransformations") for d in datasets):
            self.found.remarks.append(
                f"{self.out or 'the image'}: its metadata state no scales, which OME-Zarr 0.5 "
                "demands: each level has the ratio of its shape to the first one's"
            )
        first = plans[0].shape
        done["datasets"] = [scaled(d, p.shape, first) for d, p in zip(datasets, plans, strict=True)]
        if len(plans) == 1:
            plans += self._smaller(plans[0], done)
        known = {p.path for p in self.found.arrays}
        self.found.arrays.extend(p for p in plans if p.path not in known)
        return done

    def _inside(self, path: str) -> str:
        return f"{self.path}/{path}".strip("/")

    def _plan(
        self, image: Mapping[str, Any], path: str, level: int
    ) -> tuple[ArrayPlan, Sequence[str]]:
        """A level, and the names of its axes."""
        place, name = self._inside(path), self.hierarchy.name
        array = self.hierarchy.array(place)
        if array is None:
            raise InputError(
                f'the array "{path}" that multiscales names is missing',
                file=name,
                field=place,
                fix="check that the store is complete, or export it again",
            )
        check_codecs(array, name)
        file = f"{name}/{place}"
        dtype = np.dtype(array.dtype).newbyteorder("=")
        kind = kind_of(dtype, labels=self.labels, file=file)
        check_memory(array.shards or array.chunks, dtype, file)
        if 0 in array.shape:
            raise InputError(
                "this array has no samples",
                file=file,
                field="shape",
                expected="every axis ≥ 1",
                got=array.shape,
            )
        said = dimension_names(array)
        dimensions, _ = of_multiscales(image, self.version, array.ndim, said)
        given = self.settings.axes
        axes = dimensions.choose(
            given if given and len(given) == array.ndim else None, array.shape, file
        )
        names = dimensions.names if len(dimensions.names) == array.ndim else tuple(axes.lower())
        block = self.hierarchy.block(array)
        chunks, shards = chunk_and_shard(
            axes, array.shape, dtype, self.settings.chunks, self.settings.shards, block
        )
        fill = array.fill_value
        plan = ArrayPlan(
            *(f"{self.out}/{path}".strip("/"), axes, tuple(array.shape), dtype, chunks, shards),
            *(kind, self.out, level, self.hierarchy.source(place)),
            dtype.type(0 if fill is None else fill),
            dict(array.attrs),
            getattr(array.metadata, "dimension_names", None) or names,
        )
        return plan, names

    def _remark(self, plans: Sequence[ArrayPlan], image: Mapping[str, Any]) -> None:
        """Say what is odd about the levels."""
        place, remarks = self.out or "the image", self.found.remarks
        if not image.get("axes"):
            remarks.append(
                f"{place}: the metadata name no axes; they were taken to be {plans[0].axes}"
            )
        for dataset, plan in zip(image["datasets"], plans, strict=True):
            remarks += [
                f"{place}: level {plan.path} has {count} scale factors for {len(plan.axes)} axes; "
                "they are kept as they are"
                for count in factors(dataset)
                if count != len(plan.axes)
            ]
        if plans[0].kind == "exact":
            remarks.append(exact_remark(self.out, plans[0].dtype))
        for above, below in pairwise(plans):
            if below.dtype != plans[0].dtype:
                remarks.append(
                    f"{place}: level {below.path} is of type {below.dtype.name}, the first of "
                    f"{plans[0].dtype.name}"
                )
            if any(b > a for a, b in zip(above.shape, below.shape, strict=True)):
                remarks.append(
                    f"{place}: level {below.path} {below.shape} is larger than the one before it, "
                    f"{above.shape}"
                )

    def _smaller(self, plan: ArrayPlan, image: dict[str, Any]) -> list[ArrayPlan]:
        """Smaller levels of an image that has only one; their data sets go to `image`."""
        shapes = smaller(plan.axes, plan.shape)
        if not shapes:
            return []
        own = image["datasets"][0]
        nearest = plan.kind == "labels" or plan.dtype.kind == "b"
        there = {*self.hierarchy.names(self.path), *self.found.paths}
        base = str(own["path"])
        levels = [str(n) for n in range(1, len(shapes) + 1)]
        if base != "0" or there & set(levels):
            levels = [f"{base}_{n}" for n in levels]
        entries = [
            reduced_dataset(own, path, plan.axes, n, nearest=nearest)
            for n, path in enumerate(levels, 1)
        ]
        place = self.out or "the image"
        if any(e is None for e in entries):
            self.found.remarks.append(
                f"{place}: no smaller levels are made, for its coordinateTransformations do not "
                "say where it lies axis by axis"
            )
            return []
        self.found.remarks.append(
            f"{place}: {len(shapes)} smaller level{'s' * (len(shapes) > 1)} are made"
        )
        image["datasets"] = [own, *entries]
        image.setdefault("type", "nearest" if nearest else "mean")
        block = self.hierarchy.block(self.hierarchy.array(self._inside(base)))
        return [
            reduced(plan, path, shape, n, self.settings, nearest=nearest, block=block)
            for n, (path, shape) in enumerate(zip(levels, shapes, strict=True), 1)
        ]


def reduced(
    plan: ArrayPlan,
    name: str,
    shape: tuple[int, ...],
    level: int,
    settings: Settings,
    *,
    nearest: bool,
    block: tuple[int, ...] | None,
) -> ArrayPlan:
    """The plan of a smaller level that is made of the samples of the first one."""
    f = 1 << level
    own = block and (*block[:-2], *(max(n // f, 1) for n in block[-2:]))
    chunks, shards = chunk_and_shard(
        plan.axes, shape, plan.dtype, settings.chunks, settings.shards, own
    )
    return replace(
        plan,
        path=f"{plan.image}/{name}".strip("/"),
        shape=shape,
        chunks=chunks,
        shards=shards,
        level=level,
        source=Reduced(plan.source, shape, plan.dtype, level, nearest, block),
        attributes={},
    )
