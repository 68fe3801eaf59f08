"""``inif decompress`` of files of any size: by regions, each brick once, whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st

import inif
from inif.axes import Selection, select
from inif.decode.samples import Samples
from inif.image import Channel, Image, Metadata, Region
from inif.io import pyramid, read_image, write_image

SHAPE = (2, 4, 140, 520)
META = Metadata(
    "cells",
    {"Z": (0.5, "µm"), "Y": (0.25, "µm"), "X": (0.25, "µm")},
    (Channel("DNA", "#0000FF"), Channel("actin", "#00FF00")),
)


def image(dtype: str = "uint16") -> Image:
    c, z, y, x = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij", sparse=True)
    wave = 1000 + 500 * np.sin(x / 40 + z / 3) * np.cos(y / 30) + 100 * c
    wave += np.random.default_rng(0).integers(0, 30, SHAPE)
    return Image(wave.astype(dtype), "CZYX", META)


@pytest.fixture(scope="module", params=["exact", "latent"])
def many_bricks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of dozens of small bricks."""
    out = tmp_path_factory.mktemp("bricks") / f"{request.param}.inif"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inif.encode.lossless.MOST_BYTES", 1 << 15)
        patch.setattr("inif.latent.layout.MOST_VOXELS", 1 << 14)
        options: dict[str, Any] = {"method": "latent", "ratio": 20}
        inif.compress(
            image(),
            out=out,
            effort=1,
            **({"lossless": True} if request.param == "exact" else options),
        ).close()
    return out


@pytest.mark.filterwarnings("ignore:NPY holds samples alone")
@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".npy"])
def test_every_brick_is_decoded_once(
    many_bricks: Path, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where none is kept; of .ome.tif where tiles fit the bricks, as in latent fields."""
    monkeypatch.setattr(pyramid, "PART", 1 << 19)
    if many_bricks.stem != "exact" or suffix != ".ome.tif":
        monkeypatch.setattr("inif.decode.lazy.KEPT", 0)
    seen: Counter[int] = Counter()
    with inif.open(many_bricks) as file:
        assert len(file.grid) > 20
        opened = file.bricks.open

        def counted(brick: int) -> Any:
            seen[brick] += 1
            return opened(brick)

        monkeypatch.setattr(file.bricks, "open", counted)
        source = replace(file.to_source(), labels=False)  # or some planes would be looked at
        write_image(source, tmp_path / f"a{suffix}")
    assert set(seen) == set(range(len(file.grid)))
    assert set(seen.values()) == {1}


SELECTIONS = st.tuples(*(st.integers(0, n - 1) | st.slices(n) for n in SHAPE))


@given(key=SELECTIONS)
def test_a_selection_is_the_same_region_by_region(many_bricks: Path, key: Any) -> None:
    with inif.open(many_bricks) as file:
        selection = select(key, file.shape)
        if 0 in selection.shape:
            return
        expected, got = file.to_image(selection), file.to_source(selection)
        assert (got.axes, got.shape, got.dtype) == (expected.axes, expected.shape, expected.dtype)
        assert got.meta == expected.meta
        np.testing.assert_array_equal(got.load().data, expected.data)
        half: Region = tuple(slice(n // 2, n) for n in got.shape)
        np.testing.assert_array_equal(got.read(half), expected.data[half])
        assert got.block is None or len(got.block) == len(got.shape)


def test_a_whole_file_keeps_all_metadata(many_bricks: Path, tmp_path: Path) -> None:
    with inif.open(many_bricks) as file:
        expected, got = file.to_image(), file.to_source()
        assert (got.axes, got.meta, got.source) == (expected.axes, expected.meta, expected.source)
        assert got.labels == (None if file.exact else False)
        assert got.windows == file.windows
        only = file.to_source(Selection(got_ranges(file, 1), (False,) * 4))
        assert only.windows == file.windows[1:]
        assert [c.name for c in only.meta.channels] == ["actin"]


def got_ranges(file: inif.File, channel: int) -> tuple[range, ...]:
    return (range(channel, channel + 1), *(range(n) for n in file.shape[1:]))


@pytest.mark.parametrize("ending", [".ome.tif", ".ome.zarr", ".npy"])
@pytest.mark.parametrize("part", [(), ("--region", "c=actin,z=1:3", "--stride", "x=2")])
def test_the_command_line(
    cli: Callable[..., Any], many_bricks: Path, tmp_path: Path, ending: str, part: tuple[str, ...]
) -> None:
    out = tmp_path / f"a{ending}"
    body = cli("decompress", many_bricks, "-o", out, *part, "--json").json
    with inif.open(many_bricks) as file:
        expected = file[1, 1:3, :, ::2] if part else file[...]
    assert body["shape"] == list(expected.shape)
    assert body["samples"] == expected.size
    back = read_image(out, axes=body["axes"] if ending == ".npy" else None)
    np.testing.assert_array_equal(back.data, expected)
    if ending != ".npy":
        assert back.meta.scale["X"] == (0.5 if part else 0.25, "µm")
        assert [c.name for c in back.meta.channels] == (["actin"] if part else ["DNA", "actin"])


@pytest.mark.filterwarnings("ignore:NPY holds samples alone")
def test_what_a_mask_leaves_out_is_not_decoded(
    cli: Callable[..., Any], many_bricks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = np.zeros(SHAPE[1:], np.uint8)
    mask[0, 30:50, 200:340:3] = mask[2, 130, 7] = 1
    tifffile.imwrite(tmp_path / "mask.tif", mask, photometric="minisblack")
    read = Samples.read
    regions: list[tuple[range, ...]] = []

    def noted(self: Samples, selection: Selection) -> np.ndarray:
        regions.append(selection.ranges)
        return read(self, selection)

    monkeypatch.setattr(Samples, "read", noted)
    monkeypatch.setattr(pyramid, "PART", 1 << 16)
    out = tmp_path / "a.npy"
    words = ("decompress", many_bricks, "-o", out, "--mask", tmp_path / "mask.tif", "--json")
    assert cli(*words).json["samples"] == 2 * np.count_nonzero(mask)
    assert sum(int(np.prod([len(r) for r in one])) for one in regions) <= 2 * (20 * 139 + 1)
    with inif.open(many_bricks) as file:
        np.testing.assert_array_equal(np.load(out), np.where(mask != 0, file[...], 0))


def test_labels_of_an_exact_file_stay_labels(cli: Callable[..., Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.kron(rng.integers(0, 90, (10, 40)), np.ones((14, 14))).astype(np.uint16)
    inif.compress(labels, axes="YX", lossless=True, out=tmp_path / "a.inif").close()
    for ending in (".ome.tif", ".ome.zarr"):
        assert cli("decompress", tmp_path / "a.inif", "-o", tmp_path / f"a{ending}").code == 0
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        np.testing.assert_array_equal(tif.series[0].levels[2].asarray(), labels[::4, ::4])
    group = zarr.open_group(tmp_path / "a.ome.zarr", mode="r")
    np.testing.assert_array_equal(np.asarray(group["2"]), labels[::4, ::4])


SLOW = """
import sys, time
from inif.decode.samples import Samples
read = Samples.read
def slow(self, selection):
    print("at work", flush=True)
    time.sleep(0.5)
    return read(self, selection)
Samples.read = slow
import inif.io.pyramid
inif.io.pyramid.PART = 1 << 16
from inif.__main__ import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send")
@pytest.mark.parametrize(
    ("ending", "sent", "code"),
    [
        (".ome.zarr", signal.SIGINT, 130),
        (".ome.tif", signal.SIGTERM, 143),
        pytest.param(".ome.tif", signal.SIGINT, 130, marks=pytest.mark.slow),
        pytest.param(".npy", signal.SIGINT, 130, marks=pytest.mark.slow),
        pytest.param(".ome.zarr", signal.SIGTERM, 143, marks=pytest.mark.slow),
    ],
)
def test_a_signal_leaves_what_was_there(
    many_bricks: Path, tmp_path: Path, ending: str, sent: signal.Signals, code: int
) -> None:
    out = tmp_path / f"a{ending}"
    write_image(Image(np.ones((4, 4), np.uint8), "YX"), out)
    before = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*"))
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW, "decompress", many_bricks, "-o", out, "--force"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    for _ in range(3):
        assert child.stdout.readline() == "at work\n"
    child.send_signal(sent)
    _, err = child.communicate(timeout=300)
    assert child.returncode == code
    assert "nothing was written" in err
    assert sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*")) == before
    assert read_image(out, axes="YX").data.shape == (4, 4)


FULL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
from inif.__main__ import main
main()
"""


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="limits and room as of POSIX")
@pytest.mark.parametrize("ending", [".ome.tif", ".ome.zarr", ".npy"])
def test_a_disk_without_room_is_one_error(many_bricks: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"a{ending}"
    words = [sys.executable, "-c", FULL, "decompress", many_bricks, "-o", out]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cannot be written" in done.stderr
    assert "File too large" in done.stderr  # what the system says where there is a limit
    assert list(tmp_path.iterdir()) == []
