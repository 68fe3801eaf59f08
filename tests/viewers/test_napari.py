"""The plugin in napari itself: what it shows, what it writes, and its widget."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inif
from inif.image import Image
from inif.metadata import Channel, Metadata

pytest.importorskip("napari", reason="napari is not installed")
pytest.importorskip("pytestqt", reason="pytest-qt is not installed")
pytest.importorskip("qtpy.QtWidgets", reason="no Qt is installed")

from npe2 import PluginManifest

pytestmark = pytest.mark.usefixtures("display")

ROOT = Path(__file__).parents[2]
MANIFEST = Path(inif.__file__).parent / "napari" / "napari.yaml"
STACK = ROOT / "examples" / "hipsc_dna_zyx_u16.ome.tif"
PLUGIN = "bioinif"
WAIT = 180_000  # milliseconds; a machine may be busy


@pytest.fixture(scope="module")
def stack_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled stack, 60 planes of 256 x 256."""
    path = tmp_path_factory.mktemp("stack") / "stack.inif"
    inif.compress(STACK, out=path, ratio=32, method="latent", effort=1).close()
    return path


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two channels of 2 times, 3 planes of 280 x 320: an image of two levels."""
    path = tmp_path_factory.mktemp("large") / "large.inif"
    t, c, z, y, x = np.ogrid[:2, :2, :3, :280, :320]
    wave = 2000 + 900 * np.sin(x / 17 + z + 2 * t) * np.cos(y / 23 + c)
    noise = np.random.default_rng(0).normal(0, 60, wave.shape)
    data = (wave + noise).astype(np.uint16)
    channels = (Channel("DNA", "#0000FF"), Channel("actin", "#FF0000"))
    scale = {"Z": (0.5, "µm"), "Y": (100.0, "nm"), "X": (100.0, "nm"), "T": (2.0, "min")}
    image = Image(data, "TCZYX", Metadata("cells", scale, channels))
    inif.compress(image, out=path, ratio=8, method="latent", effort=1).close()
    return path


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any], npe2pm: Any) -> Any:
    """A window of napari that knows this plugin."""
    npe2pm.register(PluginManifest.from_file(MANIFEST))
    return make_napari_viewer(show=True)


def canvas_of(viewer: Any) -> np.ndarray:
    return np.asarray(viewer.screenshot(canvas_only=True, flash=False))[..., :3]


def seen(viewer: Any, shape: tuple[int, int], step: tuple[float, float]) -> np.ndarray:
    """What the window shows at the centres of an image's samples: grey values of shape."""
    canvas = canvas_of(viewer)
    assert (canvas[..., 0] == canvas[..., 1]).all(), "the image is grey"
    at = [
        (np.arange(n) * d - centre) * viewer.scene.camera.zoom + size / 2
        for n, d, centre, size in zip(
            shape, step, viewer.scene.camera.center[-2:], canvas.shape[:2], strict=True
        )
    ]
    return canvas[np.ix_(*(np.floor(a).astype(int) for a in at))][..., 0].astype(float)


def shades(samples: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    low, high = limits
    return 255 * np.clip((samples.astype(float) - low) / (high - low), 0, 1)


def test_the_manifest_is_sound() -> None:
    manifest = PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert manifest.name == project["name"] == PLUGIN
    assert project["entry-points"]["napari.manifest"] == {PLUGIN: "inif.napari:napari.yaml"}


def test_a_stack_in_2d_and_3d(viewer: Any, stack_file: Path, qtbot: Any) -> None:
    (layer,) = viewer.open(stack_file, plugin=PLUGIN)
    with inif.open(stack_file) as file:
        decoded, limits = np.asarray(file), file.windows[0]
    assert layer.name == "stack"
    assert layer.axis_labels == ("Z", "Y", "X")
    assert [str(u) for u in layer.units] == ["micrometer"] * 3
    np.testing.assert_allclose(layer.scale, [0.29, 0.26, 0.26])
    assert tuple(layer.contrast_limits) == limits
    viewer.dims.set_current_step(0, 17)
    qtbot.wait(50)
    shown = seen(viewer, decoded.shape[1:], (0.26, 0.26))
    assert np.abs(shown - shades(decoded[17], limits)).max() <= 1

    viewer.dims.ndisplay = 3
    qtbot.wait(50)
    shown = seen(viewer, decoded.shape[1:], (0.26, 0.26))
    expected = shades(decoded.max(axis=0), limits)
    assert np.corrcoef(shown.ravel(), expected.ravel())[0, 1] > 0.98


def test_each_plane_is_decoded_once(
    viewer: Any, stack_file: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inif.decode.file import File

    decoded: Counter[Any] = Counter()
    at_level = File.at_level

    def counted(self: File, selection: Any, number: int) -> Any:
        decoded[number, selection.ranges[0]] += 1
        return at_level(self, selection, number)

    monkeypatch.setattr(File, "at_level", counted)
    viewer.open(stack_file, plugin=PLUGIN)
    for z in [*range(60), *range(59, -1, -1)]:
        viewer.dims.set_current_step(0, z)
        qtbot.wait(1)
    assert decoded == {(0, range(z, z + 1)): 1 for z in range(60)}


def test_channels_levels_and_units(viewer: Any, large_file: Path) -> None:
    dna, actin = viewer.open(large_file, plugin=PLUGIN)
    assert [dna.name, actin.name] == ["DNA · large", "actin · large"]
    assert [level.shape for level in dna.data] == [(2, 3, 280, 320), (2, 3, 140, 160)]
    assert [tuple(layer.colormap.colors[-1][:3]) for layer in (dna, actin)] == [
        (0, 0, 1),
        (1, 0, 0),
    ]
    assert [str(u) for u in dna.units] == ["minute", "micrometer", "nanometer", "nanometer"]
    assert actin.blending == "additive"
    with inif.open(large_file) as file:
        np.testing.assert_array_equal(np.asarray(dna.data[0][1]), file.sel(t=1, c=0))
        np.testing.assert_array_equal(np.asarray(actin.data[0][1]), file.sel(t=1, c=1))


def test_the_whole_volume(viewer: Any, large_file: Path, qtbot: Any) -> None:
    from inif.napari.volume import show_volume

    dna, _ = viewer.open(large_file, plugin=PLUGIN)
    viewer.layers.selection.active = dna
    viewer.dims.set_current_step(0, 1)
    worker = show_volume(viewer)
    qtbot.waitUntil(lambda: not worker.is_running and viewer.dims.ndisplay == 3, timeout=WAIT)
    volume = viewer.layers[-1]
    with inif.open(large_file) as file:
        np.testing.assert_array_equal(volume.data, file.sel(t=1, c=0))
    assert isinstance(volume.data, np.ndarray)
    assert volume.name == "DNA · large, T 1, volume"
    np.testing.assert_allclose(volume.scale, [0.5, 100, 100])
    assert not dna.visible


def test_the_menu_shows_the_volume(viewer: Any, stack_file: Path, qtbot: Any) -> None:
    from napari._app_model import get_app_model

    viewer.open(stack_file, plugin=PLUGIN)
    get_app_model().commands.execute_command("bioinif.volume")
    qtbot.waitUntil(lambda: viewer.dims.ndisplay == 3, timeout=WAIT)
    assert viewer.layers[-1].name == "stack, volume"


def test_there_must_be_a_volume(viewer: Any) -> None:
    from inif.napari.volume import show_volume

    with pytest.raises(inif.errors.InputError, match="no volume to show"):
        show_volume(viewer)


def test_several_files_at_once(viewer: Any, stack_file: Path, large_file: Path) -> None:
    layers = viewer.open([stack_file, large_file], stack=True, plugin=PLUGIN)
    assert [layer.name for layer in layers] == ["stack", "DNA · large", "actin · large"]


def test_what_is_wrong_with_a_file_is_told(viewer: Any, tmp_path: Path) -> None:
    bad = tmp_path / "bad.inif"
    bad.write_bytes(b"no such file")
    with pytest.raises(inif.errors.FormatError, match=r"bad\.inif"):
        viewer.open(bad, plugin=PLUGIN)


def test_a_layer_is_written_and_read_again(viewer: Any, tmp_path: Path) -> None:
    from inif.io import open_image

    image = open_image(STACK).load()
    target = tmp_path / "written.inif"
    viewer.add_image(
        image.data,
        name="nuclei",
        colormap="green",
        scale=[0.3, 0.2, 0.2],
        units=["µm"] * 3,
        axis_labels=["z", "y", "x"],
    )
    assert viewer.layers.save(target, plugin=PLUGIN) == [str(target)]
    with inif.open(target) as file:
        assert file.axes == "ZYX"
        assert 32 <= file.ratio <= 32.32
        assert file.meta.name == "nuclei"
        assert file.meta.scale == {"Z": (0.3, "µm"), "Y": (0.2, "µm"), "X": (0.2, "µm")}
    (again,) = viewer.open(target, plugin=PLUGIN)
    assert again.colormap.name != "gray"
    np.testing.assert_allclose(again.scale, [0.3, 0.2, 0.2])


def test_axes_are_not_guessed(viewer: Any, tmp_path: Path) -> None:
    layer = viewer.add_image(np.zeros((4, 32, 32), np.uint16), name="unnamed")
    with pytest.raises(inif.errors.InifError, match="axes of this layer are not known"):
        layer.save(tmp_path / "no.inif", plugin=PLUGIN)
    assert not list(tmp_path.iterdir())


def test_mixed_units_have_one_size_in_3d(viewer: Any, large_file: Path) -> None:
    viewer.open(large_file, plugin=PLUGIN)
    _, z, y, x = viewer.layers.extent.step
    assert z / y == pytest.approx(5)
    assert x == y


@pytest.fixture
def panel(viewer: Any) -> Iterator[Any]:
    """The widget, in a window with the bundled stack as a layer."""
    from inif.io import open_image

    image = open_image(STACK).load()
    viewer.add_image(image.data, name="nuclei", axis_labels=["Z", "Y", "X"])
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Compress a layer")
    return panel


def test_compress_look_and_save(
    viewer: Any, panel: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtpy.QtWidgets import QFileDialog

    assert panel.axes.value == "ZYX"
    panel.effort.value = 1
    panel.goal.value = 64
    bars: list[float] = []
    panel.bar.changed.connect(bars.append)
    panel.start.native.click()
    assert not panel.start.enabled
    qtbot.waitUntil(lambda: panel.file is not None and panel.start.enabled, timeout=WAIT)
    assert max(bars) > 0
    assert panel.said.value.startswith("123 kB, 64.")
    original, errors, decoded = viewer.layers
    np.testing.assert_array_equal(decoded.data[30], panel.file[30])
    expected = panel.file[30].astype(np.float32) - original.data[30]
    np.testing.assert_array_equal(errors.data[30], expected)
    assert not errors.visible
    target = tmp_path / "saved.inif"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    panel.save.native.click()
    with inif.open(target) as file:
        assert 64 <= file.ratio <= 64.64


def test_cancel(viewer: Any, panel: Any, qtbot: Any) -> None:
    panel.effort.value = 9
    panel.start.native.click()
    qtbot.waitUntil(lambda: panel.bar.value > 0, timeout=WAIT)
    panel.cancel.native.click()
    assert panel.said.value == "stopping"
    qtbot.waitUntil(lambda: panel.start.enabled, timeout=WAIT)
    assert panel.said.value == "cancelled"
    assert panel.file is None
    assert len(viewer.layers) == 1


def test_the_widget_asks_for_axes(viewer: Any, panel: Any) -> None:
    viewer.add_image(np.zeros((4, 32, 32), np.uint16), name="unnamed")
    panel.layer.value = viewer.layers["unnamed"]
    assert panel.axes.value == ""
    panel.start.native.click()
    assert "axes of this layer are not known" in panel.said.value
    panel.axes.value = "ZXQ"
    panel.start.native.click()
    assert "do not describe the image" in panel.said.value
    assert panel.start.enabled


def test_a_window_that_is_closed_stops_its_work(viewer: Any, panel: Any, qtbot: Any) -> None:
    from inif.napari.worker import Compression

    panel.effort.value = 9
    panel.start.native.click()
    qtbot.waitUntil(lambda: panel.bar.value > 0, timeout=WAIT)
    viewer.close()
    qtbot.waitUntil(lambda: not Compression._worker_set, timeout=WAIT)
    assert panel.file is None
