"""What ``inif serve`` serves, in the programs that read it: each sees the decoded samples."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from browser import chromium

import inif
from inif.image import Image
from inif.io import read_image
from inif.metadata import Channel, Metadata

pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")

pytestmark = pytest.mark.filterwarnings("default")  # those of real clients are not ours

ROOT = Path(__file__).parents[2]
STACK = ROOT / "examples" / "hipsc_dna_zyx_u16.ome.tif"
MODULES = ROOT / ".venv-viewers" / "node"
STEPS = {"T": (2.0, "s"), "Z": (0.5, "µm"), "Y": (0.2, "µm"), "X": (0.1, "µm")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """stack.inif, of the bundled image; cells.inif, of two levels, not in OME's order of axes."""
    made = tmp_path_factory.mktemp("served")
    bundled = read_image(STACK)
    some = Image(bundled.data[24:36], bundled.axes, bundled.meta)
    inif.compress(some, out=made / "stack.inif", ratio=32, method="latent", effort=1).close()
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 4000, (3, 2, 2, 7, 8), np.uint16)
    data = np.kron(coarse, np.ones((40, 40), np.uint16))
    channels = (Channel("DNA", "#0000FF"), Channel("actin", "#FF0000"))
    image = Image(data, "ZCTYX", Metadata("cells", STEPS, channels))
    inif.compress(image, out=made / "cells.inif", lossless=True).close()
    return made


@pytest.fixture(scope="module")
def links(folder: Path) -> Iterator[dict[str, dict[str, str]]]:
    """The links of each file, by its name, while a server runs."""
    words = [sys.executable, "-m", "inif", "serve", str(folder), "--port", "0", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        yield {file["name"]: file["links"] for file in told["files"]}
        assert process.poll() is None
        process.terminate()


@pytest.fixture
def cells(folder: Path) -> Iterator[inif.File]:
    with inif.open(folder / "cells.inif") as file:
        yield file


@pytest.fixture
def stack(folder: Path) -> Iterator[inif.File]:
    with inif.open(folder / "stack.inif") as file:
        yield file


def in_order(level: Any) -> np.ndarray:
    """A level of cells.inif with its axes in OME's order."""
    whole = np.asarray(level[...])
    return whole.transpose([level.axes.index(a) for a in "TCZYX"])


def test_zarr_and_dask(links: dict[str, dict[str, str]], cells: inif.File) -> None:
    zarr = pytest.importorskip("zarr")
    pytest.importorskip("aiohttp", reason="the extra 'remote' is not installed")
    url = links["cells.inif"]["zarr"]
    group = zarr.open_group(url, mode="r")
    assert [a["name"] for a in group.attrs["ome"]["multiscales"][0]["axes"]] == list("tczyx")
    assert sorted(name for name, _ in group.members()) == ["0", "1"]
    for level in cells.levels:
        np.testing.assert_array_equal(group[str(level.number)][...], in_order(level))
    da = pytest.importorskip("dask.array")
    lazy = da.from_zarr(url, component="0")
    np.testing.assert_array_equal(lazy[1, :, 2].compute(), in_order(cells.levels[0])[1, :, 2])


def test_ome_zarr_models(links: dict[str, dict[str, str]]) -> None:
    models = pytest.importorskip("ome_zarr_models", reason="ome-zarr-models is not installed")
    zarr = pytest.importorskip("zarr")
    for of_file in links.values():
        image = models.open_ome_zarr(zarr.open_group(of_file["zarr"], mode="r"))
        assert image.ome_zarr_version == "0.5"


def test_bioio_ome_zarr(links: dict[str, dict[str, str]], cells: inif.File) -> None:
    bioio = pytest.importorskip("bioio_ome_zarr", reason="bioio-ome-zarr is not installed")
    reader = bioio.Reader(links["cells.inif"]["zarr"])
    assert reader.dims.order == "TCZYX"
    assert list(reader.channel_names) == ["DNA", "actin"]
    sizes = reader.physical_pixel_sizes
    assert (sizes.Z, sizes.Y, sizes.X) == (0.5, 0.2, 0.1)
    assert len(reader.resolution_levels) == 2
    np.testing.assert_array_equal(reader.data, in_order(cells.levels[0]))
    np.testing.assert_array_equal(
        reader.get_image_dask_data("YX", T=1, C=1, Z=2).compute(), cells.sel(t=1, c=1, z=2)
    )


def test_napari_ome_zarr(links: dict[str, dict[str, str]], cells: inif.File) -> None:
    plugin = pytest.importorskip("napari_ome_zarr", reason="napari-ome-zarr is not installed")
    read = plugin.napari_get_reader(links["cells.inif"]["zarr"])
    assert read is not None
    ((levels, options, kind),) = read(links["cells.inif"]["zarr"])
    assert (kind, options["name"]) == ("image", ["cells: DNA", "cells: actin"])
    assert (len(levels), options["channel_axis"]) == (2, 1)
    np.testing.assert_array_equal(np.asarray(levels[0]), in_order(cells.levels[0]))


READ = """
import * as zarr from "zarrita";
const group = await zarr.open.v3(zarr.root(new zarr.FetchStore(process.argv[1])), {kind: "group"});
const told = [];
for (const {path} of group.attrs.ome.multiscales[0].datasets) {
  const array = await zarr.open.v3(group.resolve(path), {kind: "array"});
  const {data, shape} = await zarr.get(array, [1, 0, 2, null, null]);
  told.push({shape: array.shape, plane: shape, data: Array.from(data)});
}
console.log(JSON.stringify(told));
"""


def test_zarrita(links: dict[str, dict[str, str]], cells: inif.File) -> None:
    node = shutil.which("node")
    if node is None or not (MODULES / "node_modules" / "zarrita").is_dir():
        pytest.skip("Node or zarrita is not installed")
    words = [node, "--input-type=module", "--eval", READ, "--", links["cells.inif"]["zarr"]]
    done = subprocess.run(words, cwd=MODULES, capture_output=True, text=True, check=True)
    for told, level in zip(json.loads(done.stdout), cells.levels, strict=True):
        whole = in_order(level)
        assert tuple(told["shape"]) == whole.shape
        plane = np.array(told["data"], np.uint16).reshape(told["plane"])
        np.testing.assert_array_equal(plane, whole[1, 0, 2])


def drawn(state: dict[str, Any], width: int, height: int) -> np.ndarray:
    """What Neuroglancer draws of a state, in Chromium: (height, width, 3) uint8."""
    neuroglancer = pytest.importorskip("neuroglancer", reason="Neuroglancer is not installed")
    neuroglancer.set_server_bind_address("127.0.0.1")
    viewer = neuroglancer.Viewer()
    viewer.set_state(state)
    with viewer.config_state.txn() as config:
        config.show_ui_controls = config.show_panel_borders = False
    with chromium(width, height) as page:
        page.goto(viewer.get_viewer_url())
        shot = viewer.screenshot(size=[width, height]).screenshot
    neuroglancer.stop()
    return np.asarray(shot.image_pixels)[..., :3]


def only_image(url: str, **more: Any) -> dict[str, Any]:
    """The state of a ready link, of one panel in which a sample is a pixel, without aids."""
    state: dict[str, Any] = json.loads(unquote(url.partition("#!")[2]))
    plain = {"layout": "xy", "showAxisLines": False, "showScaleBar": False}
    return {**state, **plain, "crossSectionScale": 1, **more}


def test_neuroglancer(links: dict[str, dict[str, str]], stack: inif.File) -> None:
    middle = [127.5, 127.5, 6]  # whole numbers are centres of samples
    state = only_image(links["stack.inif"]["neuroglancer"], position=middle)
    (low, high) = state["layers"][0]["shaderControls"]["normalized"]["range"]
    shot = drawn(state, 256, 256)
    plane = np.asarray(stack[6], float)
    expected = np.clip((plane - low) / (high - low), 0, 1) * 255
    assert np.abs(shot - expected[..., None]).max() <= 2


def test_neuroglancer_shows_channels_in_their_colours(
    links: dict[str, dict[str, str]], cells: inif.File
) -> None:
    state = only_image(links["cells.inif"]["neuroglancer"])
    shot = drawn(state, 320, 280)
    assert shot.std(axis=(0, 1)).tolist()[1] == 0
    assert (shot.std(axis=(0, 1))[[0, 2]] > 10).all()


def test_a_page_of_another_site_may_read_parts(links: dict[str, dict[str, str]]) -> None:
    with chromium() as page:
        page.context.grant_permissions(["local-network-access"])
        page.route("https://viewer.example/", lambda route: route.fulfill(body="a viewer"))
        page.goto("https://viewer.example/")
        told = page.evaluate(
            """async url => {
                const answer = await fetch(url, {headers: {Range: "bytes=0-7"}});
                const start = new Uint8Array(await answer.arrayBuffer());
                return [answer.status, answer.headers.get("ETag"), Array.from(start)];
            }""",
            links["stack.inif"]["inif"],
        )
    assert (told[0], told[2]) == (206, list(b"\x89INIF\r\n\x1a"))
    assert told[1]


def test_the_page_of_the_server(links: dict[str, dict[str, str]]) -> None:
    base = links["stack.inif"]["inif"].removesuffix("stack.inif")
    with chromium() as page:
        wrong: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: wrong.append(message.text))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(base)
        assert page.locator("h2").all_inner_texts() == ["cells.inif", "stack.inif"]
        shown = page.get_by_role("link", name="Neuroglancer").first.get_attribute("href")
    assert shown == links["cells.inif"]["neuroglancer"]
    assert (wrong, [url for url in asked if not url.startswith(base)]) == ([], [])
