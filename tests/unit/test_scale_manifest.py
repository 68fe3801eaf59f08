"""The manifest of a store: what is done, who is at work, and what was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from inif.errors import FormatError, InputError
from inif.scale.manifest import manifest_of, opened, read

PLAN = {"target": {"ratio": 32}, "effort": 3, "input": "in.ome.zarr"}


def shard(key: str, size: int = 10) -> dict[str, object]:
    return {"shard": key, "bytes": size, "turn": 0}


def test_what_is_done_is_there_the_next_time(tmp_path: Path) -> None:
    out = tmp_path / "a.ome.zarr"
    with opened(out, PLAN) as manifest:
        assert (manifest.known, manifest.settled, manifest.shards) == (False, None, [])
        manifest.settle({"steps": [2.5]})
        manifest.add(shard("0/c/0/0"))
    with opened(out, PLAN) as manifest:
        assert manifest.known
        assert manifest.settled == {"steps": [2.5]}
        assert manifest.shards == [shard("0/c/0/0")]


def test_a_line_that_was_cut_off_is_forgotten(tmp_path: Path) -> None:
    out = tmp_path / "a.ome.zarr"
    with opened(out, PLAN) as manifest:
        manifest.add(shard("0/c/0/0"))
        manifest.add(shard("0/c/0/1"))
    path = manifest_of(out)
    path.write_bytes(path.read_bytes()[:-7])
    with opened(out, PLAN) as manifest:
        assert manifest.shards == [shard("0/c/0/0")]
        manifest.add(shard("0/c/0/2"))
    with opened(out, PLAN) as manifest:
        assert manifest.shards == [shard("0/c/0/0"), shard("0/c/0/2")]


def test_another_request_is_refused_and_told_what_differs(tmp_path: Path) -> None:
    out = tmp_path / "a.ome.zarr"
    with opened(out, PLAN) as manifest:
        manifest.add(shard("0/c/0/0"))
    with (
        pytest.raises(InputError, match=r'target.*"ratio": 32.*"ratio": 64.*--force') as error,
        opened(out, PLAN | {"target": {"ratio": 64}}),
    ):
        pass
    assert error.value.field == "target"
    with opened(out, PLAN | {"effort": 1}, anew=True) as manifest:
        assert manifest.shards == []


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "a.ome.zarr"
    with (
        opened(out, PLAN),
        pytest.raises(InputError, match=r"another run is at work .* process"),
        opened(out, PLAN),
    ):
        pass
    with opened(out, PLAN):
        pass


def test_only_a_whole_store_is_read(tmp_path: Path) -> None:
    out = tmp_path / "a.ome.zarr"
    assert read(out) is None
    with opened(out, PLAN) as manifest:
        manifest.add(shard("0/c/0/0", 10))
        manifest.add(shard("0/c/0/0", 12))
    with pytest.raises(FormatError, match="not whole"):
        read(out)
    with opened(out, PLAN) as manifest:
        manifest.finish({"ratio": 32.0})
    assert read(out) == [shard("0/c/0/0", 12)]
    with opened(out, PLAN) as manifest:  # what is whole is written anew
        assert manifest.shards == []


@pytest.mark.parametrize("text", ["no JSON\n", "[1]\n", '{"manifest":99,"plan":{}}\n'])
def test_what_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    out = tmp_path / "a.ome.zarr"
    manifest_of(out).write_text(text)
    with pytest.raises(FormatError, match="manifest"), opened(out, PLAN):
        pass
