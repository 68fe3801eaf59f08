"""What the page of ``inif view`` shows: originals of any kind, errors, types, odd axes.

Files are lossless here, so that the error of every sample is what the original was changed by.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

import inif
from inif.decode.file import File
from inif.errors import InputError
from inif.image import Image
from inif.view.original import open_original
from inif.view.scene import SIDE, Scene, Tile, difference, largest

pytest.importorskip("starlette", reason="the extra 'serve' is not installed")
pytest.importorskip("httpx2", reason="httpx2, which Starlette's client needs, is not installed")

from starlette.testclient import TestClient

from inif.view.app import view_app
from inif.view.facts import wire_type
from inif.view.figures import Ledger


def stored(samples: np.ndarray, axes: str) -> File:
    """The samples, exactly, in an open file."""
    return inif.compress(Image(samples, axes), lossless=True)


def client(scene: Scene) -> TestClient:
    return TestClient(view_app(scene), base_url="http://127.0.0.1:8000")


@pytest.fixture(scope="module")
def stack() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(100, 60000, (3, 530, 300)).astype(np.uint16)


def test_an_original_of_another_range_is_told(tmp_path: Path) -> None:
    samples = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    file = stored(samples, "YX")
    np.save(tmp_path / "other.npy", samples + np.uint16(1))
    with open_original(str(tmp_path / "other.npy"), file) as original:
        image = Ledger(Scene(file, original)).advance(0, 1)["image"]
    assert image["remarks"] == [
        "channel 0 of the original holds 1 … 4096, but the file was made of an image that holds "
        "0 … 4095: is this the right original?"
    ]


@pytest.mark.parametrize(
    ("dtype", "sent"),
    [
        ("bool", "uint8"),
        ("int8", "int8"),
        ("uint32", "uint32"),
        ("int64", "float64"),
        ("float16", "float32"),
        ("float64", "float64"),
        (">u2", "uint16"),
    ],
)
def test_samples_come_in_types_that_browsers_have(dtype: str, sent: str) -> None:
    assert wire_type(np.dtype(dtype)) == np.dtype(sent).newbyteorder("<")
    if dtype[0] != ">":
        samples = np.arange(12).reshape(3, 4).astype(dtype)
        answer = client(Scene(stored(samples, "YX"))).get("/plane?level=0&row=0&column=0")
        assert answer.headers["x-type"] == sent
        assert np.frombuffer(answer.content, sent).tolist() == samples.ravel().tolist()


@pytest.mark.parametrize(
    ("axes", "shape", "slots", "plane"),
    [
        ("X", (9,), "", "X"),
        ("TC", (5, 2), "C", "T"),
        ("TZX", (2, 3, 4), "T", "ZX"),
        ("C", (3,), "C", ""),
    ],
)
def test_images_without_rows_and_columns_have_planes_too(
    axes: str, shape: tuple[int, ...], slots: str, plane: str, tmp_path: Path
) -> None:
    samples = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    file = stored(samples, axes)
    np.save(tmp_path / "same.npy", samples)
    with open_original(str(tmp_path / "same.npy"), file) as original:
        page = client(Scene(file, original))
        info = page.get("/info").json()
        assert (info["slots"], info["plane"]["axes"]) == (slots, plane)
        where = "".join(f"&{a.lower()}=1" for a in slots)
        answer = page.get(f"/plane?of=original&level=0&row=0&column=0{where}")
        kept = samples[tuple(1 if a in slots else slice(None) for a in axes)]
        assert answer.content == np.ascontiguousarray(kept).tobytes()
        assert page.get("/planes?since=0").json()["image"]["psnr"] is None


def test_samples_without_a_value_are_counted_apart(tmp_path: Path) -> None:
    samples = np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)
    other = samples + np.float32(0.25)
    samples[0, :3] = [np.nan, np.inf, np.nan]
    other[0, :3] = [np.nan, np.inf, 1]
    file = stored(samples, "YX")
    np.save(tmp_path / "other.npy", other)
    with open_original(str(tmp_path / "other.npy"), file) as original:
        page = client(Scene(file, original))
        said = page.get("/compare").json()
        error = np.frombuffer(page.get("/plane?of=error&level=0&row=0&column=0").content, "<f4")
    assert (said["unlike"], said["largest"], said["bias"]) == (
        1,
        pytest.approx(0.25),
        pytest.approx(-0.25),
    )
    assert error[:2].tolist() == [0, 0]
    assert np.isnan(error[2])


@pytest.mark.parametrize(
    ("decoded", "original", "expected"),
    [
        (np.uint8([0, 255]), np.uint8([255, 0]), [-255, 255]),
        (np.int16([-32768]), np.int16([32767]), [-65535]),
        (np.uint32([0]), np.uint32([2**32 - 1]), [1 - 2**32]),
        (np.bool_([True]), np.bool_([False]), [1]),
    ],
)
def test_differences_do_not_overflow(
    decoded: np.ndarray, original: np.ndarray, expected: list[int]
) -> None:
    assert difference(decoded, original).tolist() == expected


def test_the_largest_error_keeps_its_sign_at_odd_edges() -> None:
    error = np.array([[1, -7, 2], [3, 4, -9], [0, 0, 8]])
    assert largest(error, 2).tolist() == [[-7, -9], [0, 8]]


def test_an_original_may_be_an_inif_file_or_have_axes_of_length_one(
    stack: np.ndarray, tmp_path: Path
) -> None:
    file = stored(stack, "ZYX")
    file.save(tmp_path / "exact.inif")
    tifffile.imwrite(tmp_path / "one.tif", stack[None], metadata={"axes": "CZYX"}, ome=True)
    for name in ("exact.inif", "one.tif"):
        with open_original(str(tmp_path / name), file) as original:
            tile = Scene(file, original).tile(Tile("original", 0, (2,), 1, 0))
            np.testing.assert_array_equal(tile, stack[2, SIDE:])


def test_an_original_that_does_not_fit_is_refused(stack: np.ndarray, tmp_path: Path) -> None:
    file = stored(stack, "ZYX")
    np.save(tmp_path / "cut.npy", stack[:, 1:])
    np.save(tmp_path / "wide.npy", stack.astype(np.float32))
    with pytest.raises(InputError, match=r"expected: Z 3 × Y 530 × X 300; got: Z 3 × Y 529"):
        open_original(str(tmp_path / "cut.npy"), file)
    with pytest.raises(InputError, match="expected: uint16; got: float32"):
        open_original(str(tmp_path / "wide.npy"), file)
    with pytest.raises(InputError, match="no such file"):
        open_original(str(tmp_path / "none.tif"), file)
