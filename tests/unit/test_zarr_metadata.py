"""The metadata of the codec inif in Zarr: what they say, what is refused, and their schema."""

from __future__ import annotations

import json
import pickle
import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from test_chunk import samples
from test_zarr_codec import DOCS, SHAPE, SHARDS, made

import inif
from inif.errors import InputError, UnsupportedError
from inif.zarr import InifCodec


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"step": 10, "lossless": True}, "exactly one"),
        ({}, "exactly one"),
        ({"step": 0}, "step"),
        ({"step": float("nan")}, "step"),
        ({"step": "10"}, "step"),
        ({"step": 10, "effort": 10}, "effort"),
        ({"step": 10, "quality": 3}, "quality"),
        ({"max_error": -1}, "max_error"),
        ({"step": 10, "axes": "ZYXW"}, "axes"),
        ({"step": 10, "axes": 3}, "axes"),
        ({"lossless": 1}, "lossless"),
    ],
)
def test_configurations_that_are_not_understood(wrong: dict[str, Any], error: str) -> None:
    with pytest.raises(InputError, match=error):
        InifCodec.from_dict({"name": "inif", "configuration": {"axes": "ZYX", **wrong}})


def test_other_versions_and_metadata_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="version"):
        InifCodec.from_dict(
            {"name": "inif", "configuration": {"axes": "X", "step": 1, "version": 2}}
        )
    for wrong in ({"name": "inif"}, {"name": "zstd", "configuration": {"axes": "X", "step": 1}}):
        with pytest.raises(InputError, match="metadata"):
            InifCodec.from_dict(wrong)
    with pytest.raises(InputError, match="axes"):
        InifCodec.from_dict({"name": "inif", "configuration": {"step": 1}})


@pytest.mark.parametrize("shards", [None, SHARDS])
@pytest.mark.parametrize(
    ("codec", "dtype", "error"),
    [
        (InifCodec(axes="YX", step=1), "uint16", "axes"),
        (InifCodec(axes="ZYX", step=1), "uint32", "uint32"),
        (InifCodec(axes="ZYX", max_error=1), "uint64", "uint64"),
        (InifCodec(axes="ZYX", lossless=True), "complex64", "complex64"),
        (InifCodec(axes="ZYX", step=(1, 2)), "uint16", "step"),
    ],
)
def test_arrays_that_cannot_be_coded_so(
    codec: InifCodec, dtype: str, error: str, shards: Any, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=error):
        made(tmp_path / "a.zarr", np.zeros(SHAPE, dtype), codec, shards=shards)
    assert not (tmp_path / "a.zarr" / "zarr.json").exists() or shards


def test_steps_of_channels(tmp_path: Path) -> None:
    """All of them in a chunk; where not, whoever wrote the array did it without Zarr."""
    data = samples((2, 40, 40), "uint16", noise=10)
    codec = InifCodec(axes="CYX", step=(4, 40))
    error = made(tmp_path / "a.zarr", data, codec, chunks=(2, 40, 40))[...].astype(float) - data
    fine, coarse = np.square(error).mean(axis=(1, 2))
    assert coarse > 9 * fine
    with pytest.raises(InputError, match="which of them"):
        made(tmp_path / "b.zarr", data, codec, chunks=(1, 40, 40))


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value is as a JSON schema has it; what the codec's schema uses of it."""
    kinds = {"object": dict, "array": list, "string": str, "number": (int, float), "integer": int}
    if not isinstance(value, kinds.get(schema.get("type", ""), object)):
        return False
    if "const" in schema and (value != schema["const"] or type(value) is not type(schema["const"])):
        return False
    if isinstance(value, int | float) and not (
        schema.get("minimum", -np.inf) <= value <= schema.get("maximum", np.inf)
        and value > schema.get("exclusiveMinimum", -np.inf)
    ):
        return False
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        return False
    if isinstance(value, list) and "items" in schema:
        return len(value) >= schema.get("minItems", 0) and all(
            fits(one, schema["items"]) for one in value
        )
    known = schema.get("properties", {}) if isinstance(value, dict) else {}
    return (
        all(fits(value[key], known[key]) for key in known if key in value)
        and all(key in value for key in schema.get("required", []))
        and (schema.get("additionalProperties", True) or value.keys() <= known.keys())
        and ("anyOf" not in schema or any(fits(value, one) for one in schema["anyOf"]))
        and ("oneOf" not in schema or sum(fits(value, one) for one in schema["oneOf"]) == 1)
    )


def test_the_schema_takes_what_the_codec_writes_and_nothing_that_it_refuses() -> None:
    schema = json.loads((DOCS / "zarr-codec" / "schema.json").read_text("utf-8"))
    for coding in ({"step": 2}, {"step": (1, 2)}, {"max_error": 0}, {"lossless": True}):
        codec = InifCodec(axes="CYX", effort=2, **coding)
        assert fits(json.loads(json.dumps(codec.to_dict())), schema)
    for wrong in (
        {"axes": "YX"},
        {"step": 1},
        {"axes": "YX", "step": 0},
        {"axes": "YX", "step": 1, "lossless": True},
        {"axes": "YX", "step": 1, "quality": 1},
        {"axes": "YX", "step": 1, "version": 2},
        {"axes": "YX", "step": 1, "effort": 0},
        {"axes": "AB", "step": 1},
        {"axes": "YX", "max_error": -1},
    ):
        metadata = {"name": "inif", "configuration": wrong}
        assert not fits(metadata, schema)
        with pytest.raises((InputError, UnsupportedError)):
            InifCodec.from_dict(metadata)
    page = (DOCS / "zarr-codec.md").read_text("utf-8")
    example = json.loads(page.split("```json")[1].split("```")[0])
    assert fits(example, schema)
    assert InifCodec.from_dict(example).to_dict() == example
    rows = page.split("| key | required |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", rows, re.MULTILINE)) == set(
        schema["properties"]["configuration"]["properties"]
    )


def test_the_example_store(tmp_path: Path) -> None:
    example = DOCS.parent / "examples" / "zarr_codec.py"
    runpy.run_path(str(example))["main"](str(tmp_path / "a.zarr"))
    array = zarr.open_array(tmp_path / "a.zarr", mode="r")
    assert array.shape == (12, 256, 256)
    assert array.nbytes / array.nbytes_stored() > 5


def test_metadata_say_how_and_survive(tmp_path: Path) -> None:
    array = made(tmp_path / "a.zarr", samples(SHAPE, "uint16"), InifCodec(axes="ZYX", step=9))
    codec = InifCodec(axes="tczyx", step=[1, 2.5], effort=3)
    said = json.loads(json.dumps(codec.to_dict()))
    assert said == {
        "name": "inif",
        "configuration": {
            "axes": "TCZYX",
            "step": [1.0, 2.5],
            "effort": 3,
            "version": 1,
            "encoder": f"inif {inif.__version__}",
        },
    }
    assert InifCodec.from_dict(said) == codec == pickle.loads(pickle.dumps(codec))
    array.attrs["more"] = 1
    assert zarr.open_array(tmp_path / "a.zarr").attrs["more"] == 1
