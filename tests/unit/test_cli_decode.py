"""``inif decompress``, ``info`` and ``verify`` on a small file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inif
from inif.io import read_image

Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def decoded(compressed: Any) -> np.ndarray:
    with inif.open(compressed.file) as file:
        return np.asarray(file)


@pytest.mark.parametrize("ending", [".npy", ".ome.tif", ".ome.zarr"])
def test_the_whole_image(
    cli: Cli, compressed: Any, decoded: np.ndarray, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"x{ending}"
    body = cli("decompress", compressed.file, "-o", out, "--json").json
    assert body["file"] == str(out)
    assert (body["axes"], body["shape"], body["dtype"]) == ("ZYX", [6, 24, 20], "uint16")
    image = read_image(out, axes="ZYX" if ending == ".npy" else None)
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.data, decoded)
    if ending != ".npy":
        assert image.meta.scale["Z"] == (0.5, "µm")


def test_region_and_stride(cli: Cli, compressed: Any, decoded: np.ndarray, tmp_path: Path) -> None:
    out = tmp_path / "x.npy"
    part = ("--region", "z=2,y=3:17", "--stride", "y=4,x=3")
    body = cli("decompress", compressed.file, "-o", out, *part, "--json").json
    expected = decoded[2, 3:17:4, ::3]
    assert (body["axes"], body["shape"]) == ("YX", list(expected.shape))
    assert body["samples"] == expected.size
    np.testing.assert_allclose(np.load(out), expected, atol=1)


def test_one_plane_as_png(cli: Cli, compressed: Any, decoded: np.ndarray, tmp_path: Path) -> None:
    out = tmp_path / "x.png"
    assert cli("decompress", compressed.file, "-o", out, "--region", "z=2").code == 0
    np.testing.assert_allclose(read_image(out, axes="YX").data, decoded[2], atol=1)


@pytest.mark.parametrize("axes", ["ZYX", "YX"])
def test_mask(cli: Cli, compressed: Any, decoded: np.ndarray, tmp_path: Path, axes: str) -> None:
    import tifffile

    mask = np.zeros(decoded.shape[3 - len(axes) :], np.uint8)
    mask[..., 5:9, 4:11] = 255
    tifffile.imwrite(tmp_path / "mask.tif", mask, photometric="minisblack")
    out = tmp_path / "x.npy"
    body = cli("decompress", compressed.file, "-o", out, "--mask", tmp_path / "mask.tif", "--json")
    assert body.json["samples"] == 6 * 4 * 7
    expected = np.where(np.broadcast_to(mask, decoded.shape) != 0, decoded, 0)
    np.testing.assert_allclose(np.load(out).astype(int), expected.astype(int), atol=1)


def test_a_mask_of_another_size_is_refused(cli: Cli, compressed: Any, tmp_path: Path) -> None:
    import tifffile

    tifffile.imwrite(tmp_path / "mask.tif", np.ones((24, 21), np.uint8))
    out = tmp_path / "x.npy"
    outcome = cli("decompress", compressed.file, "-o", out, "--mask", tmp_path / "mask.tif")
    assert outcome.code == 2
    assert "mask" in outcome.stderr
    assert not out.exists()


def test_points(cli: Cli, compressed: Any, decoded: np.ndarray, tmp_path: Path) -> None:
    table = tmp_path / "points.csv"
    table.write_text("id,X,y,z\nfirst,3,4,5\nsecond,0.5,23,0\n")
    out = tmp_path / "values.csv"
    body = cli("decompress", compressed.file, "-o", out, "--points", table, "--json").json
    assert body["points"] == 2
    lines = [line.split(",") for line in out.read_text().splitlines()]
    assert lines[0] == ["id", "X", "y", "z", "value"]
    assert lines[1][:4] == ["first", "3", "4", "5"]
    assert float(lines[1][4]) == pytest.approx(float(decoded[5, 4, 3]), abs=1)

    assert cli("decompress", compressed.file, "-o", tmp_path / "v.npy", "--points", table).code == 0
    assert np.load(tmp_path / "v.npy").shape == (2,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "z,y\n1,2\n",
        "z,y,x\n1,2\n",
        "z,y,x\n1,2,far\n",
        "z,y,x,x\n1,2,3,4\n",
        "z,y,x\n1,2,999\n",
    ],
)
def test_bad_points(cli: Cli, compressed: Any, tmp_path: Path, text: str) -> None:
    table = tmp_path / "points.csv"
    table.write_text(text)
    outcome = cli("decompress", compressed.file, "-o", tmp_path / "v.csv", "--points", table)
    assert outcome.code == 2
    assert outcome.stderr.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["points.csv"]


@pytest.mark.parametrize(
    "words",
    [
        ("-o", "x.jpg"),
        ("-o", "x"),
        ("-o", "x.npy", "--region", "q=1"),
        ("-o", "x.npy", "--region", "z=6"),
        ("-o", "x.npy", "--region", "y=5:5"),
        ("-o", "x.npy", "--stride", "y=0"),
        ("-o", "x.npy", "--region", "z=1", "--points", "p.csv"),
        ("-o", "x.ome.tif", "--points", "p.csv"),
        ("-o", "no/such/folder/x.npy"),
    ],
    ids=" ".join,
)
def test_bad_requests_leave_nothing(
    cli: Cli,
    compressed: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = cli("decompress", compressed.file, *words)
    assert outcome.code == 2
    assert outcome.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_original_is_not_overwritten(cli: Cli, compressed: Any, tmp_path: Path) -> None:
    out = tmp_path / "original.npy"
    out.write_bytes(b"precious")
    assert cli("decompress", compressed.file, "-o", out).code == 2
    assert out.read_bytes() == b"precious"
    assert cli("decompress", compressed.file, "-o", out, "--force").code == 0
    assert np.load(out).shape == (6, 24, 20)


def test_info(cli: Cli, compressed: Any) -> None:
    body = cli("info", compressed.file, "--json").json
    assert body == json.loads(json.dumps(inif.inspect(compressed.file)))
    shown = cli("info", compressed.file)
    assert shown.code == 0
    for part in ("Z 6 × Y 24 × X 20", "uint16", "0.5 µm", "a neural network alone"):
        assert part in shown.stdout


def test_info_starts_without_jax(compressed: Any) -> None:
    script = (
        "import sys\nfrom inif.cli.app import app\n"
        f"try:\n    app(['info', {str(compressed.file)!r}, '--json'])\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "print(' '.join(m for m in sys.modules if '.' not in m))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    heavy = {"jax", "jaxlib", "equinox", "optax", "scipy", "zarr", "tifffile", "imagecodecs"}
    assert not loaded & heavy


def test_decompress_runs_without_jax(compressed: Any, tmp_path: Path) -> None:
    script = (
        "import sys\nfrom inif.cli.app import app\n"
        f"try:\n    app(['decompress', {str(compressed.file)!r}, '-q', '-o', 'x.npy'])\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "assert not {'jax', 'equinox', 'optax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)


def test_verify(cli: Cli, compressed: Any, tmp_path: Path) -> None:
    good = cli("verify", compressed.file, "--json")
    assert good.code == 0
    assert good.json["ok"] is True
    assert good.json["problems"] == []
    assert "good" in cli("verify", compressed.file).stdout

    data = bytearray(compressed.file.read_bytes())
    data[-3] ^= 0x10
    damaged = tmp_path / "damaged.inif"
    damaged.write_bytes(data)
    bad = cli("verify", damaged, "--json")
    assert bad.code == 2
    assert bad.json.get("ok", False) is False
    assert cli("verify", damaged, "--quiet").stderr.startswith("error: ")
