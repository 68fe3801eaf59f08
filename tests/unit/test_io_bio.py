"""CZI, ND2 and LIF: with bioio replaced by a stand-in, and for CZI with a real file."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from inif.errors import InputError, MissingExtraError, UnsupportedError
from inif.image import Channel, Metadata
from inif.io import read_image, to_ome_xml
from inif.io.common import several_images

HEADS = {
    "czi": b"ZISRAWFILE\x00",
    "nd2": b"\xda\xce\xbe\x0a",
    "lif": b"\x70\x00\x00\x00\x10\x00\x00\x00\x2a",
}


class FakeImage:
    """What inif uses of bioio.BioImage."""

    data = np.arange(2 * 3 * 1 * 4 * 5, dtype=np.uint16).reshape(2, 3, 1, 4, 5)
    order = "TCZYX"
    xml: str | None = None

    def __init__(self, path: str, reader: Any, **options: Any) -> None:
        if Path(path).read_bytes().endswith(b"broken"):
            raise RuntimeError("no such block")
        self.path, self.reader = path, reader
        self.scenes = ("a", "b")
        self.dims = SimpleNamespace(order=self.order)
        self.shape, self.dtype = self.data.shape, self.data.dtype
        self.physical_pixel_sizes = SimpleNamespace(Z=None, Y=0.5, X=0.25)
        self.time_interval = timedelta(milliseconds=500)
        self.channel_names = ["DNA", "actin", "tubulin"][: self.shape[1]]

    @property
    def dask_data(self) -> Any:
        import dask.array

        return dask.array.from_array(self.data, chunks=(1, 1, 1, *self.shape[3:]))

    def set_scene(self, scene: int) -> None:
        self.current = scene

    @property
    def ome_metadata(self) -> Any:
        if self.xml is None:
            raise NotImplementedError
        return SimpleNamespace(to_xml=lambda: self.xml)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeImage]:
    class Mine(FakeImage):
        pass

    bioio = ModuleType("bioio")
    bioio.BioImage = Mine  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bioio", bioio)
    for kind in HEADS:
        plugin = ModuleType(f"bioio_{kind}")
        plugin.Reader = object()  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, plugin.__name__, plugin)
    return Mine


@pytest.mark.parametrize("kind", HEADS)
def test_reading(tmp_path: Path, fake: type[FakeImage], kind: str) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(HEADS[kind])
    image = read_image(path)
    assert image.axes == "TCYX"
    np.testing.assert_array_equal(image.data, FakeImage.data[:, :, 0])
    assert image.meta == Metadata(
        None,
        {"Y": (0.5, "µm"), "X": (0.25, "µm"), "T": (0.5, "s")},
        (Channel("DNA"), Channel("actin"), Channel("tubulin")),
    )
    assert image.remarks == (several_images(2, 0, "a"),)
    assert read_image(path, scene=1).remarks == (several_images(2, 1, "b"),)
    with pytest.raises(InputError, match="scene"):
        read_image(path, scene=2)


def test_sizes_of_one_are_those_of_libraries(tmp_path: Path, fake: type[FakeImage]) -> None:
    class Plain(fake):  # type: ignore[misc, valid-type]
        def __init__(self, path: str, reader: Any, **options: Any) -> None:
            super().__init__(path, reader)
            self.scenes = ("a",)
            self.physical_pixel_sizes = SimpleNamespace(Z=1.0, Y=1.0, X=1.0)

    sys.modules["bioio"].BioImage = Plain  # type: ignore[attr-defined]
    path = tmp_path / "a.nd2"
    path.write_bytes(HEADS["nd2"])
    image = read_image(path)
    assert image.meta.scale == {"T": (0.5, "s")}
    assert "1 µm" in image.remarks[0]


def test_ome_metadata_are_kept(tmp_path: Path, fake: type[FakeImage]) -> None:
    meta = Metadata("two", {"T": (3.0, "ms")}, (Channel("x", "#010203"),) * 3)
    fake.xml = to_ome_xml((2, 3, 1, 4, 5), "TCZYX", "uint16", meta)
    path = tmp_path / "a.czi"
    path.write_bytes(HEADS["czi"])
    image = read_image(path)
    assert image.meta.ome_xml == fake.xml
    assert image.meta.name == "two"
    assert image.meta.scale["T"] == (3.0, "ms")
    assert image.meta.channels[0] == Channel("DNA", "#010203")


def test_colour_samples(tmp_path: Path, fake: type[FakeImage]) -> None:
    fake.data = np.zeros((1, 1, 1, 4, 5, 3), np.uint8)  # type: ignore[assignment]
    fake.order = "TCZYXS"
    path = tmp_path / "a.czi"
    path.write_bytes(HEADS["czi"])
    image = read_image(path)
    assert image.axes == "YXC"
    assert [c.name for c in image.meta.channels] == ["R", "G", "B"]


def test_damaged(tmp_path: Path, fake: type[FakeImage]) -> None:
    path = tmp_path / "a.nd2"
    path.write_bytes(HEADS["nd2"] + b"broken")
    with pytest.raises(InputError, match="no such block"):
        read_image(path)


@pytest.mark.parametrize("absent", ["bioio", "bioio_czi"])
def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absent: str) -> None:
    path = tmp_path / "a.czi"
    path.write_bytes(HEADS["czi"])
    bioio = ModuleType("bioio")
    bioio.BioImage = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bioio", bioio)
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'bioinif\[bioio\]'"):
        read_image(path)


def test_urls_are_not_for_these(fake: type[FakeImage]) -> None:
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").pipe("/a.czi", HEADS["czi"])
    with pytest.raises(UnsupportedError):
        read_image("memory://a.czi")


def test_a_real_czi(tmp_path: Path) -> None:
    for package in ("bioio", "bioio_czi"):
        pytest.importorskip(package)
    czi = pytest.importorskip("pylibCZIrw.czi")
    data = np.arange(2 * 3 * 32 * 40, dtype=np.uint16).reshape(2, 3, 32, 40)
    path = tmp_path / "a.tif"
    with czi.create_czi(str(tmp_path / "a.czi")) as out:
        for c in range(2):
            for z in range(3):
                out.write(data[c, z, :, :, None], plane={"C": c, "Z": z, "T": 0})
        out.write_metadata(
            document_name="real",
            channel_names={0: "DNA", 1: "actin"},
            scale_x=0.1e-6,
            scale_y=0.2e-6,
            scale_z=0.5e-6,
        )
    (tmp_path / "a.czi").rename(path.with_suffix(".czi"))
    image = read_image(path.with_suffix(".czi"))
    assert image.axes == "CZYX"
    np.testing.assert_array_equal(image.data, data)
    assert [c.name for c in image.meta.channels] == ["DNA", "actin"]
    for axis, step in (("X", 0.1), ("Y", 0.2), ("Z", 0.5)):
        assert image.meta.scale[axis][0] == pytest.approx(step)
        assert image.meta.scale[axis][1] == "µm"
