"""`evaluate`: what it accepts and refuses, its JSON, and its warnings."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from inif.errors import AxesError, InputError
from inif.image import Channel, Image, Metadata
from inif.metrics import Evaluation, evaluate
from inif.metrics.report import resolution
from inif.metrics.sides import disk_size, is_inif, load
from inif.metrics.spectrum import spectrum

PROMISED = {
    *("raw_bytes", "file_bytes", "ratio", "bits_per_voxel", "psnr", "psnr_range", "ssim"),
    *("nrmse", "max_error", "worst_slice", "mean_error", "warnings", "channels", "provenance"),
}


class FakeFile:
    """The part of `inif.File` that an evaluation uses."""

    def __init__(self, data: np.ndarray, axes: str, file_bytes: int = 1000, **lossy: Any) -> None:
        self._data = data
        self.axes = axes
        self.shape = data.shape
        self.dtype = data.dtype
        self.file_bytes = file_bytes
        self.header = {"axes": axes, "shape": list(data.shape), "lossy": lossy}
        self.meta = Metadata(scale={"Y": (0.25, "µm"), "X": (0.25, "µm")})

    def __getitem__(self, key: Any) -> np.ndarray:
        return self._data[key]


def stack(shape: tuple[int, ...] = (2, 5, 32, 40), seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(size=shape), (0,) * (len(shape) - 2) + (3, 3))
    return (2000 + 4000 * smooth + rng.normal(0, 20, shape)).clip(0, 60000).astype(np.uint16)


def changed(data: np.ndarray, by: int = 7) -> np.ndarray:
    return (data + np.random.default_rng(9).integers(-by, by + 1, data.shape)).astype(data.dtype)


def strict(evaluation: Evaluation) -> Any:
    return json.loads(json.dumps(evaluation.to_json(), allow_nan=False))


def test_json_of_a_file() -> None:
    a = stack()
    meta = Metadata(channels=(Channel("DNA"), Channel(None)))
    got = evaluate(
        Image(a, "CZYX", meta, source="cells.tif"),
        FakeFile(changed(a), "CZYX", 400, method="siren", seed=3),
    )
    body = strict(got)
    assert body.keys() >= PROMISED
    assert body["raw_bytes"] == a.nbytes
    assert body["file_bytes"] == 400
    assert body["ratio"] == pytest.approx(a.nbytes / 400)
    assert body["bits_per_voxel"] == pytest.approx(8 * 400 / a.size)
    assert [c["channel"] for c in body["psnr"]["per_channel"]] == ["DNA", "1"]
    assert body["psnr"]["lossless"] is False
    assert body["psnr_range"]["per_channel"] == [[int(c.min()), int(c.max())] for c in a]
    assert body["max_error"] == 7
    assert isinstance(body["max_error"], int)
    assert body["worst_slice"]["index"].keys() == {"c", "z"}
    assert body["provenance"] == {"method": "siren", "seed": 3}
    assert body["channels"][0]["detail"]["resolution"]["unit"] == "µm"
    assert body["original"] == "cells.tif"
    error = changed(a).astype(float) - a
    assert body["channels"][1]["residual"]["std"] == pytest.approx(error[1].std())


def test_lossless_is_null_and_true() -> None:
    a = stack((3, 20, 20))
    got = evaluate(Image(a, "ZYX"), Image(a.copy(), "ZYX"))
    body = strict(got)
    assert got.psnr == math.inf
    assert body["psnr"]["pooled"] is None
    assert body["psnr"]["lossless"] is True
    assert body["psnr"]["per_channel"][0] == {"channel": "0", "psnr": None, "lossless": True}
    assert body["worst_slice"]["lossless"] is True
    assert body["nrmse"] == 0
    assert body["file_bytes"] is None
    assert body["ratio"] is None
    assert body["warnings"] == []


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("X", (30,)),
        ("YX", (1, 1)),
        ("YX", (20, 24)),
        ("TCZYX", (1, 1, 1, 9, 5)),
        ("XYC", (18, 17, 3)),
        ("CT", (2, 6)),
    ],
)
def test_any_shape_gives_strict_json(dtype: str, axes: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    a = (rng.normal(size=shape) * 30 + 60).astype(dtype)
    for b in (a, np.zeros_like(a), (a / 2).astype(dtype)):
        strict(evaluate(Image(a, axes), Image(b, axes)))
        strict(evaluate(Image(b, axes), Image(a, axes)))


def test_axes_may_come_from_either_side(tmp_path: Path) -> None:
    a = stack((4, 16, 16))
    expected = evaluate(Image(a, "ZYX"), Image(changed(a), "ZYX")).psnr
    assert evaluate(a, Image(changed(a), "ZYX")).psnr == expected
    assert evaluate(Image(a, "ZYX"), changed(a)).psnr == expected
    assert evaluate(a, changed(a), axes="ZYX").psnr == expected
    with pytest.raises(AxesError):
        evaluate(a, changed(a))
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "b.npy", changed(a))
    first, second = tmp_path / "a.npy", str(tmp_path / "b.npy")
    assert evaluate(first, Image(changed(a), "ZYX")).psnr == expected
    got = evaluate(Image(a, "ZYX"), second)
    assert got.psnr == expected
    assert got.file_bytes == (tmp_path / "b.npy").stat().st_size
    assert got.compressed == second
    assert evaluate(first, second, axes="ZYX").psnr == expected
    with pytest.raises(AxesError):
        evaluate(first, second)


def test_images_that_do_not_match_are_refused(tmp_path: Path) -> None:
    a = Image(stack((4, 16, 16)), "ZYX")
    with pytest.raises(InputError, match="differ in shape"):
        evaluate(a, a.with_data(a.data[1:]))
    with pytest.raises(InputError, match="differ in the type"):
        evaluate(a, a.with_data(a.data.astype(np.float32)))
    with pytest.raises(InputError, match="differ in their axes"):
        evaluate(a, Image(a.data, "TYX"))
    with pytest.raises(InputError, match="no such file"):
        evaluate(a, tmp_path / "missing.inif")
    with pytest.raises(InputError, match="cannot be compared"):
        evaluate(a, 5)
    bad = a.data.astype(np.float32)
    bad[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="NaN"):
        evaluate(Image(bad, "ZYX"), a.with_data(a.data.astype(np.float32)))


def test_big_endian_is_the_same_type() -> None:
    a = stack((16, 16))
    got = evaluate(Image(a.astype(">u2"), "YX"), Image(a, "YX"))
    assert got.lossless
    assert got.dtype == "uint16"


def test_inif_files_are_told_by_their_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "odd.bin").write_bytes(b"\x89INIF\r\n\x1a" + bytes(9))
    (tmp_path / "x.tif").write_bytes(b"II*\0")
    assert is_inif(str(tmp_path / "odd.bin"))
    assert is_inif(str(tmp_path / "damaged.INIF"))
    assert is_inif("https://example.org/a.inif?x=1")
    assert not is_inif(str(tmp_path / "x.tif"))
    assert not is_inif(str(tmp_path))
    assert not is_inif("s3://bucket/a.ome.zarr")
    assert disk_size(str(tmp_path)) == 17 + 4
    assert disk_size(str(tmp_path / "nothing")) is None


def test_a_file_opened_here_is_closed_also_after_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from inif.decode import file as decoding

    a = stack((4, 16, 16))
    closed = []

    def fake_open(path: str) -> FakeFile:
        file = FakeFile(changed(a), "ZYX")
        file.close = lambda: closed.append(path)  # type: ignore[attr-defined]
        return file

    monkeypatch.setattr(decoding, "open_file", fake_open)
    path = tmp_path / "a.inif"
    path.write_bytes(b"\x89INIF\r\n\x1a")
    assert evaluate(Image(a, "ZYX"), path).file_bytes == 1000
    assert closed == [str(path)]
    with pytest.raises(InputError):
        evaluate(Image(a[:2], "ZYX"), path)
    np.save(tmp_path / "two.npy", a[0])
    with pytest.raises(AxesError):
        evaluate(tmp_path / "two.npy", path)
    assert closed == [str(path)] * 3


def test_a_file_of_the_user_stays_open() -> None:
    a = stack((4, 16, 16))
    file = FakeFile(a, "ZYX")
    assert load(file).close() is None
    assert evaluate(file, file).lossless


def warned(a: np.ndarray, b: np.ndarray, axes: str, **lossy: Any) -> str:
    return "\n".join(evaluate(Image(a, axes), FakeFile(b, axes, **lossy)).warnings)


def test_warnings_name_what_is_worse() -> None:
    a = stack((3, 6, 64, 64))
    good = changed(a)
    assert warned(a, good, "CZYX") == ""
    b = good.copy()
    b[1, 4] = gaussian_filter(a[1, 4], 4)
    assert "Channel 1: slices worse than their neighbours: z=4" in warned(a, b, "CZYX")
    b = good.copy()
    b[2] = changed(a[2], 300)
    assert "dB less than the others do" in warned(a, b, "CZYX")
    assert "brighter by 90" in warned(a[0], a[0] + np.uint16(90), "ZYX")
    said = warned(a[0], gaussian_filter(a[0], (0, 5, 5)), "ZYX")
    assert "finest detail" in said
    assert "structure was lost" in said.lower()


def test_warnings_on_bright_spots_and_saturation() -> None:
    a = changed(np.full((64, 64), 1000, np.uint16))
    a[::20, ::20] = 65535
    b = a.copy()
    b[::20, ::20] = 40000
    said = warned(a, b, "YX")
    assert "brightest 0.1 %" in said
    assert "saturated" in said
    assert "up to 25535 counts" in said
    c = a.copy()
    c[5, :30] = 65535
    assert "saturates more voxels" in warned(a, c, "YX")


def test_warning_where_the_record_does_not_fit() -> None:
    a = stack((2, 20, 20))
    assert "is this the image" in warned(a, changed(a), "ZYX", psnr=12.5)
    assert "is this the image" in warned(a, a, "ZYX", psnr=12.5)
    for value in (None, "high", True, {"pooled": 3}):
        assert "is this the image" not in warned(a, a, "ZYX", psnr=value)


def test_warning_on_a_constant_channel_and_on_missing_ssim() -> None:
    a = np.full((20, 20), 9, np.uint8)
    assert "constant (9)" in warned(a, changed(a, 2), "YX")
    line = stack((1, 50))[0]
    assert "SSIM needs" in warned(line, changed(line), "X")


def test_many_channels_share_one_warning() -> None:
    a = stack((9, 40, 40))
    said = warned(a, gaussian_filter(a, (0, 3, 3)), "CYX")
    assert "(9 of 9 channels; this is the worst.)" in said
    assert said.count("finest detail") == 1


def test_resolution_in_units_needs_square_pixels() -> None:
    a = np.random.default_rng(0).normal(size=(32, 32))
    s = spectrum(a, a)
    assert resolution(s, ((0.5, 0.5), "µm")).period == pytest.approx(1.0)
    assert resolution(s, None).note == "the pixel size is not known"
    odd = resolution(s, ((0.5, 0.7), "µm"))
    assert (odd.period, odd.unit) == (None, None)
    assert odd.note == "the pixels are not square"
    lost = resolution(spectrum(a, -a), ((0.5, 0.5), "µm"))
    assert (lost.cycles_per_pixel, lost.period_pixels, lost.period) == (0.0, None, None)


def test_panels_are_the_middle_and_the_worst_slice() -> None:
    a = stack((6, 5, 20, 20))
    b = a.copy()
    for c in range(6):
        b[c, 1] += np.uint16(c + 1)
    got = evaluate(Image(a, "CZYX"), Image(b, "CZYX"))
    assert len(got.panels) == 8
    assert len({p.channel for p in got.panels}) == 4
    assert {p.slice.index["z"] for p in got.panels} == {1, 2}
    wide = np.zeros((30, 3000), np.uint8)
    wide[10, 2000] = 9
    panel = evaluate(Image(wide, "YX"), Image(np.zeros_like(wide), "YX")).panels[0]
    assert panel.original.shape == (10, 1000)
    top, left = panel.zoom_at
    side = panel.zoom_original.shape[0]
    assert top <= 10 < top + side
    assert left <= 2000 < left + side
    assert panel.zoom_original.max() == 9
