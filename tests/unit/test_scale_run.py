"""Whole stores: written shard by shard, interrupted, resumed, and read by others."""

from __future__ import annotations

import errno
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from stores import plate_store
from typer.testing import CliRunner

import inif
import inif.zarr
from inif.cli.app import app
from inif.config import ProgressEvent
from inif.errors import FormatError, InputError
from inif.scale.manifest import manifest_of, opened

SMALL = {
    "effort": 1,
    "chunks": {"z": 2, "y": 32, "x": 32},
    "shards": {"z": 2, "y": 64, "x": 64},
}
"""Settings by which small stores have many shards."""


@cache
def samples(z: int = 4, rows: int = 128, columns: int = 128) -> np.ndarray:
    """(C, Z, Y, X) uint16 of two channels: smooth blobs of different strength, and noise."""
    random = np.random.default_rng(7)
    c, k, y, x = np.ogrid[:2, :z, :rows, :columns]
    smooth = np.sin(x / 9 + c) * np.cos(y / 13 - k / 3) * (0.2 + x / columns)
    noise = random.normal(0, 1, (2, z, rows, columns))
    return (1000 + (c + 1) * 400 * smooth + 15 * noise).astype(np.uint16)


def store(path: Path, data: np.ndarray | None = None, levels: int = 2) -> Path:
    """An OME-Zarr 0.5 of axes CZYX."""
    data = samples() if data is None else data
    group = zarr.open_group(path, mode="w", zarr_format=3)
    datasets = []
    for level in range(levels):
        own = data[..., :: 1 << level, :: 1 << level]
        array = group.create_array(
            str(level), shape=own.shape, chunks=(1, 2, 64, 64), dtype=own.dtype
        )
        array[:] = own
        scale = [1.0, 1.0, 2.0**level, 2.0**level]
        datasets.append(
            {
                "path": str(level),
                "coordinateTransformations": [{"type": "scale", "scale": scale}],
            }
        )
    kinds = {"c": "channel"}
    axes = [{"name": name, "type": kinds.get(name, "space")} for name in "czyx"]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def arrays(folder: Path) -> dict[str, Any]:
    group = zarr.open_group(folder, mode="r")
    return dict(group.arrays())


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store(tmp_path_factory.mktemp("in") / "in.ome.zarr")


@pytest.fixture(scope="module")
def plain(source: Path) -> tuple[Path, dict[str, Any]]:
    """A store at ratio 20, written without disturbance, and what was said of it."""
    out = source.with_name("plain.ome.zarr")
    return out, inif.compress_zarr(source, out, ratio=20, verify=True, **SMALL)


def test_a_store_has_its_size_and_zarr_reads_it(
    source: Path, plain: tuple[Path, dict[str, Any]]
) -> None:
    out, facts = plain
    found = files(out)
    assert facts["file_bytes"] == sum(map(len, found.values()))
    assert facts["ratio"] == pytest.approx(20, rel=0.01)
    assert facts["raw_bytes"] == samples().nbytes
    assert not any(name.startswith(".") for name in found)
    for name, array in arrays(out).items():
        original = samples()[..., :: 1 << int(name), :: 1 << int(name)]
        assert array.chunks == (1, 2, 32, 32)
        decoded = array[:]
        assert decoded.dtype == original.dtype
        worst = np.abs(decoded.astype(float) - original).max()
        assert worst <= facts["max_error"]
    said = zarr.open_group(out, mode="r").attrs["inif"]
    assert said["target"] == {"ratio": 20}
    assert set(facts["psnr"]) == {"uint16 0", "uint16 1"}
    for c, psnr in enumerate(facts["psnr"].values()):
        original = samples()[c].astype(float)
        error = np.mean((arrays(out)["0"][c] - original) ** 2)
        assert psnr == pytest.approx(10 * np.log10(np.ptp(original) ** 2 / error), abs=0.01)


def test_dask_reads_it(plain: tuple[Path, dict[str, Any]]) -> None:
    da = pytest.importorskip("dask.array")
    array = da.from_zarr(str(plain[0]), component="0")
    assert array.chunksize[-2:] in ((32, 32), (64, 64))
    mean = array.mean(axis=(1, 2, 3)).compute(scheduler="synchronous")
    assert mean == pytest.approx(samples().mean(axis=(1, 2, 3)), rel=0.01)


def test_verify_finds_a_flipped_bit_and_a_missing_shard(
    source: Path, plain: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    import shutil

    out = tmp_path / "out.ome.zarr"
    shutil.copytree(plain[0], out)
    with pytest.raises(FormatError, match="no manifest"):
        inif.verify(out)
    shutil.copy(manifest_of(plain[0]), manifest_of(out))
    assert inif.verify(out)["ok"]
    shards = sorted(path for path in (out / "0" / "c").rglob("*") if path.is_file())
    data = bytearray(shards[0].read_bytes())
    data[len(data) // 2] ^= 1
    shards[0].write_bytes(data)
    shards[1].unlink()
    facts = inif.verify(out)
    assert not facts["ok"]
    assert len(facts["problems"]) == 2
    result = CliRunner().invoke(app, ["verify", str(out)])
    assert result.exit_code == 2
    assert "DAMAGED" in result.output


class _Stop:
    """Ctrl-C after some shards."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, event: ProgressEvent) -> None:
        if event.stage == "encode":
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt


def test_interrupted_and_resumed_it_is_the_same(
    source: Path, plain: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out = tmp_path / "out.ome.zarr"
    asked: dict[str, Any] = {"ratio": 20, **SMALL}
    for after in (3, 5):
        with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
            inif.compress_zarr(source, out, progress=_Stop(after), **asked)
        assert not out.exists()
    part = out.with_name("out.ome.zarr.part")
    done = sorted(path for path in part.rglob("c/**/*") if path.is_file())
    done[0].unlink()
    done[1].write_bytes(b"torn")
    with pytest.raises(InputError, match=r'another request.*"ratio": 20.*"ratio": 10'):
        inif.compress_zarr(source, out, ratio=10, **SMALL)
    facts = inif.compress_zarr(source, out, **asked)
    assert facts["resumed"] >= 6
    assert files(out) == files(plain[0])
    assert not part.exists()
    with pytest.raises(InputError, match="exists already"):
        inif.compress_zarr(source, out, **asked)


@pytest.mark.slow
def test_a_chunk_that_does_not_decode_is_named_and_the_rest_stays(tmp_path: Path) -> None:
    source, out = store(tmp_path / "in.ome.zarr"), tmp_path / "out.ome.zarr"
    chunk = source / "0" / "c" / "1" / "1" / "1" / "1"
    before = chunk.read_bytes()
    chunk.write_bytes(before[: len(before) // 2])
    words = ["compress", str(source), "-o", str(out), "--max-error", "4", "--effort", "1"]
    words += ["--chunks", "z=2,y=32,x=32", "--shards", "z=2,y=64,x=64", "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    error = json.loads(result.stdout)
    assert "array 0, region" in error["field"]
    assert "0/c/1/1/1/1" in error["field"]
    assert not out.exists()
    chunk.write_bytes(before)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["max_error"] <= 4
    assert np.abs(arrays(out)["0"][:].astype(int) - samples()).max() <= 4


def test_a_full_disk_leaves_no_shard_that_looks_whole(
    source: Path,
    plain: tuple[Path, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, left, real = tmp_path / "out.ome.zarr", [20], os.fsync

    def fsync(file: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        with pytest.raises(InputError, match=r"cannot be written.*No space left"):
            inif.compress_zarr(source, out, ratio=20, **SMALL)
    part = out.with_name("out.ome.zarr.part")
    whole = files(plain[0])
    shards = {name for name in files(part) if "/c/" in name}
    assert shards
    assert shards < whole.keys()
    inif.compress_zarr(source, out, ratio=20, **SMALL)
    assert files(out) == whole


def test_two_runs_on_one_output(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ome.zarr"
    with (
        opened(out, {"target": {}}),
        pytest.raises(InputError, match="another run is at work"),
    ):
        inif.compress_zarr(source, out, ratio=20, **SMALL)


def test_a_quality_is_met_in_every_channel(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ome.zarr"
    facts = inif.compress_zarr(source, out, psnr=36, **SMALL)
    assert all(36 <= psnr < 37 for psnr in facts["psnr"].values())


def test_nothing_lost_and_chunks_of_the_fill_value(tmp_path: Path) -> None:
    data = samples().copy()
    data[:, :, :64] = 0
    source, out = store(tmp_path / "in.ome.zarr", data, levels=1), tmp_path / "out.ome.zarr"
    facts = inif.compress_zarr(source, out, lossless=True, verify=True, **SMALL)
    assert np.array_equal(arrays(out)["0"][:], data)
    assert facts["absent_chunks"] == 2 * 2 * 2 * 4
    assert not (out / "0" / "c" / "0" / "0" / "0").exists()
    assert facts["psnr"] == {}


def test_types_that_cannot_lose_are_exact_beside_those_that_can(tmp_path: Path) -> None:
    source, out = tmp_path / "in.ome.zarr", tmp_path / "out.ome.zarr"
    store(source, samples().astype(np.uint32) << 10, levels=1)
    facts = inif.compress_zarr(source, out, ratio=20, **SMALL)
    assert np.array_equal(arrays(out)["0"][:], samples().astype(np.uint32) << 10)
    assert facts["exact_bytes"] > 0
    assert any("uint32" in remark for remark in facts["remarks"])


def test_a_plate_is_one_store_with_one_quality(tmp_path: Path) -> None:
    source, out = plate_store(tmp_path / "in.zarr"), tmp_path / "out.ome.zarr"
    facts = inif.compress_zarr(source, out, psnr=30, effort=1, verify=True)
    assert set(facts["psnr"]) == {"uint16 0", "uint16 1", "uint16 2"}
    assert facts["raw_bytes"] == 8 * 3 * 20 * 24 * 2
    assert all(psnr >= 30 for psnr in facts["psnr"].values())
    before, after = zarr.open_group(source, mode="r"), zarr.open_group(out, mode="r")
    for field in ("A/1/0/0", "B/2/1/0"):
        decoded = np.asarray(after[field][:], float)
        assert np.abs(decoded - before[field][:]).max() <= facts["max_error"]


@pytest.mark.slow
def test_a_dask_array_gets_levels_and_its_size(tmp_path: Path) -> None:
    da = pytest.importorskip("dask.array")
    data = samples(1, 64, 1100)
    array = da.from_array(data, chunks=(1, 1, 50, 300)).transpose((1, 0, 2, 3))
    out = tmp_path / "out.ome.zarr"
    facts = inif.to_zarr(
        array, out, axes="ZCYX", ratio=12, effort=1, chunks={"y": 64, "x": 64}, shards={"x": 128}
    )
    assert facts["ratio"] == pytest.approx(12, rel=0.01)
    found = arrays(out)
    assert found["0"].shape == (2, 1, 64, 1100)
    assert found["1"].shape == (2, 1, 32, 550)
    assert found["0"][:].astype(float) == pytest.approx(data, abs=facts["max_error"] + 1)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"ratio": 20, "psnr": 30}, "one target"),
        ({"effort": 0}, "effort"),
        ({"workers": 0}, "number of workers"),
        ({"workers": 1, "scheduler": "tcp://nowhere:1"}, "or by those of a scheduler"),
        ({"chunks": {"q": 3}}, "chunks, q"),
        ({"ratio": 1e7}, "metadata"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_work(
    source: Path, tmp_path: Path, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        inif.compress_zarr(source, tmp_path / "out.ome.zarr", **asked)
    assert not (tmp_path / "out.ome.zarr").exists()
    with pytest.raises(InputError, match="name"):
        inif.compress_zarr(source, tmp_path / "out.tif", ratio=20)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "out.ome.zarr", "--method", "siren"], "--method"),
        (["-o", "out.ome.zarr", "--chunks", "8"], "--chunks"),
        (["-o", "out.inif", "--workers", "2"], "--workers"),
    ],
)
def test_options_of_files_and_of_stores_are_not_mixed(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["compress", str(source), *words])
    assert result.exit_code == 2
    assert message in result.output
    assert list(tmp_path.iterdir()) == []


def test_other_arrays_than_dasks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no dask array"):
        inif.to_zarr(np.zeros((4, 4), np.uint8), tmp_path / "a.ome.zarr", axes="YX", ratio=4)
    assert not list(tmp_path.iterdir())
