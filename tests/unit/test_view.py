"""The page of ``inif view``: tiles, errors and figures are right, and nobody else may ask.

Files are lossless here, so that the error of every sample is what the original was changed by.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inif
from inif.decode.file import File
from inif.errors import InputError, MissingExtraError
from inif.image import Channel, Image, Metadata
from inif.metrics.fidelity import fidelity
from inif.view.original import open_original
from inif.view.scene import SIDE, Scene, Tile

pytest.importorskip("starlette", reason="the extra 'serve' is not installed")
pytest.importorskip("httpx2", reason="httpx2, which Starlette's client needs, is not installed")

import httpx2
from starlette.testclient import TestClient

from inif.view.app import AT_ONCE, view_app
from inif.view.run import address, bound

META = Metadata(
    name="cells",
    scale={"Z": (0.5, "µm"), "Y": (0.2, "µm"), "X": (0.2, "µm")},
    channels=(Channel("DNA", "#0000FF"), Channel("actin", None)),
)
AXES, SHAPE = "CZYX", (2, 3, 530, 300)
HOME = "http://127.0.0.1:8000"


def stored(samples: np.ndarray, axes: str, meta: Metadata | None = None) -> File:
    """The samples, exactly, in an open file."""
    return inif.compress(Image(samples, axes, meta or Metadata()), lossless=True)


@pytest.fixture(scope="module")
def decoded() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(100, 60000, SHAPE).astype(np.uint16)


@pytest.fixture(scope="module")
def errors() -> np.ndarray:
    """What the original was changed by; plane Z 1 of channel 1 is the worst."""
    rng = np.random.default_rng(1)
    found = rng.integers(-9, 10, SHAPE)
    found[1, 1] *= 5
    found[0, 2] = 0
    return found


@pytest.fixture(scope="module")
def scene(
    decoded: np.ndarray, errors: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> Scene:
    """A file, and its original as XYZC, in a TIFF with an axis T of length 1."""
    file = stored(decoded, AXES, META)
    path = tmp_path_factory.mktemp("original") / "original.npy"
    np.save(path, (decoded - errors).astype(np.uint16).transpose()[None])
    return Scene(file, open_original(str(path), file, axes="TXYZC"))


def client(scene: Scene, **more: Any) -> TestClient:
    return TestClient(view_app(scene, **more), base_url=HOME)


@pytest.fixture(scope="module")
def page(scene: Scene) -> TestClient:
    rows = [("image", "two channels"), ("remark", "a hot pixel"), ("size", "small")]
    return client(scene, rows=rows, remarks=["axes were given"])


def fetch(page: TestClient, kind: str, level: int, c: int, z: int, row: int, column: int) -> Any:
    """The samples of a tile as the page gets them."""
    asked = {"of": kind, "level": level, "c": c, "z": z, "row": row, "column": column}
    answer = page.get("/plane", params=asked)
    assert answer.status_code == 200, answer.text
    shape = tuple(map(int, answer.headers["x-shape"].split(",")))
    dtype = np.dtype(answer.headers["x-type"]).newbyteorder("<")
    return np.frombuffer(answer.content, dtype).reshape(shape)


def test_the_page_is_whole_and_needs_nothing_else(page: TestClient) -> None:
    for file in files("inif.view").joinpath("page").iterdir():
        answer = page.get("/" if file.name == "index.html" else f"/{file.name}")
        assert answer.status_code == 200
        assert answer.content == file.read_bytes()
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        text = answer.text.replace("http://www.w3.org/2000/svg", "")  # the name of a namespace
        assert "http:" not in text
        assert "https:" not in text
        assert len(text.splitlines()) <= 400
    assert page.get("/").headers["content-type"].startswith("text/html")
    assert page.get("/main.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("path", ["/__init__.py", "/../app.py", "/%2e%2e/app.py", "/page/main.js"])
def test_no_request_names_a_file(page: TestClient, path: str) -> None:
    assert page.get(path).status_code == 404


def test_info_says_what_the_page_must_know(page: TestClient, scene: Scene) -> None:
    info = page.get("/info").json()
    assert (info["axes"], info["shape"], info["dtype"]) == (AXES, list(SHAPE), "uint16")
    assert info["slots"] == "CZ"
    assert info["start"] == {"Z": 1}
    assert [s["axis"] for s in info["sliders"]] == ["Z"]
    assert info["sliders"][0]["step"] == {"size": 0.5, "unit": "µm"}
    assert info["plane"] == {"axes": "YX", "steps": [{"size": 0.2, "unit": "µm"}] * 2}
    assert [level["shape"] for level in info["levels"]] == [[530, 300], [265, 150], [133, 75]]
    first, second = info["channels"]
    assert (first["name"], first["color"]) == ("DNA", "#0000FF")
    assert second["name"] == "actin"
    assert second["color"] != first["color"]
    assert [c["window"] for c in info["channels"]] == [list(w) for w in scene.file.windows]
    assert info["facts"] == [["image", "two channels"], ["size", "small"]]
    assert info["remarks"] == ["a hot pixel", "axes were given"]
    assert info["original"] == {"name": "original.npy"}
    assert info["ratio"] == pytest.approx(scene.file.ratio)


@pytest.mark.parametrize("row", [0, 1])
def test_tiles_are_the_samples(
    page: TestClient, decoded: np.ndarray, errors: np.ndarray, row: int
) -> None:
    box = slice(row * SIDE, (row + 1) * SIDE)
    for c, z in ((0, 0), (1, 2)):
        seen = {k: fetch(page, k, 0, c, z, row, 0) for k in ("decoded", "original", "error")}
        np.testing.assert_array_equal(seen["decoded"], decoded[c, z][box])
        np.testing.assert_array_equal(seen["original"], (decoded - errors)[c, z][box])
        np.testing.assert_array_equal(seen["error"], errors[c, z][box])


def test_smaller_levels_compare_samples_of_one_place_and_hide_no_error(
    page: TestClient, decoded: np.ndarray, errors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inif.view.scene.BAND", 100 * 300)  # a band is not the whole plane
    plane = decoded[1, 1][::4, ::4]
    np.testing.assert_array_equal(fetch(page, "decoded", 2, 1, 1, 0, 0), plane)
    np.testing.assert_array_equal(fetch(page, "quick", 2, 1, 1, 0, 0), plane)
    original = (decoded - errors)[1, 1][::4, ::4]
    np.testing.assert_array_equal(fetch(page, "original", 2, 1, 1, 0, 0), original)
    padded = np.pad(errors[1, 1], ((0, 2), (0, 0)))
    blocks = padded.reshape(133, 4, 75, 4).swapaxes(1, 2).reshape(133, 75, 16)
    at = np.abs(blocks).argmax(-1)[..., None]
    found = fetch(page, "error", 2, 1, 1, 0, 0)
    np.testing.assert_array_equal(np.abs(found), np.abs(np.take_along_axis(blocks, at, -1)[..., 0]))
    assert np.isin(found, blocks).all()


def test_what_a_browser_has_is_not_sent_again(page: TestClient) -> None:
    asked = {"of": "decoded", "level": 2, "c": 0, "z": 0, "row": 0, "column": 0}
    first = page.get("/plane", params=asked)
    again = page.get("/plane", params=asked, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = page.get("/plane", params=asked | {"z": 1})
    assert other.headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize(
    "change",
    [
        {"of": "sideways"},
        {"level": 3},
        {"row": 2},
        {"column": -1},
        {"z": 3},
        {"c": 10**12},
        {"z": "1e0"},
        {"z": None},
    ],
)
def test_there_is_no_such_tile(page: TestClient, change: dict[str, Any]) -> None:
    asked = {"of": "decoded", "level": 0, "c": 0, "z": 0, "row": 0, "column": 0} | change
    answer = page.get("/plane", params={k: v for k, v in asked.items() if v is not None})
    assert answer.status_code == 400
    assert answer.json()["error"] == "InputError"
    assert answer.json()["expected"]


def test_figures_are_those_of_evaluate(
    page: TestClient, scene: Scene, decoded: np.ndarray, errors: np.ndarray
) -> None:
    ranges = tuple((float(a), float(b)) for a, b in scene.file.header["range"])
    wanted = fidelity(decoded - errors, decoded, AXES, ranges, with_ssim=False)
    found: list[float | None] = []
    while len(found) < 6:
        told = page.get("/planes", params={"since": len(found)}).json()
        assert told["since"] == len(found)
        found += told["psnr"]
    slices = wanted.slice_psnr.ravel().tolist()
    assert found == [pytest.approx(v) if np.isfinite(v) else None for v in slices]
    assert told["image"]["psnr"] == pytest.approx(wanted.psnr.pooled)
    assert told["image"]["largest"] == wanted.max_error == 45
    assert page.get("/planes?since=6").json()["psnr"] == []
    one = page.get("/compare?c=1&z=1").json()
    assert one["psnr"] == pytest.approx(slices[4])
    assert one["range"] == list(ranges[1])
    assert one["bias"] == pytest.approx(errors[1, 1].mean())
    assert (one["largest"], one["unlike"], one["exact"]) == (45, 0, False)
    assert one["noise"] > 1000  # that of the samples, which are random
    exact = page.get("/compare?c=0&z=2").json()
    assert (exact["psnr"], exact["exact"]) == (None, True)


def test_without_an_original_there_is_nothing_to_compare(decoded: np.ndarray) -> None:
    page = client(Scene(stored(decoded[0, 0], "YX")))
    assert page.get("/info").json()["original"] is None
    assert page.get("/plane?level=2&row=0&column=0").status_code == 200
    for path in ("/compare", "/planes?since=0", "/plane?of=error&level=0&row=0&column=0"):
        assert page.get(path).status_code == 400


def test_only_this_machine_and_its_own_page_may_ask(page: TestClient) -> None:
    for host in ("localhost:8000", "127.0.0.1"):
        assert page.get("/info", headers={"Host": host}).status_code == 200
    for host in ("example.org", "127.0.0.1.example.org", ""):
        assert page.get("/info", headers={"Host": host}).status_code == 400
    strange = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
    answer = page.get("/info", headers=strange)
    assert (answer.status_code, answer.headers["x-content-type-options"]) == (403, "nosniff")
    assert page.get("/", headers=strange | {"Sec-Fetch-Mode": "navigate"}).status_code == 200
    assert "access-control-allow-origin" not in page.get("/info").headers
    assert page.post("/info").status_code == 405


def test_damage_is_said_and_the_server_goes_on(decoded: np.ndarray) -> None:
    whole = bytearray(stored(decoded[0], "ZYX").to_bytes())
    whole[len(whole) // 2] ^= 255
    page = client(Scene(inif.open(bytes(whole))))
    answers = [page.get(f"/plane?level=0&z={z}&row=0&column=0") for z in range(3)]
    bad = [a for a in answers if a.status_code != 200]
    assert bad
    assert all(a.status_code == 500 and a.json()["error"] == "FormatError" for a in bad)
    assert page.get("/info").status_code == 200


def test_few_tiles_are_decoded_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    now, most, lock = 0, 0, threading.Lock()

    def slow(self: Scene, tile: Tile) -> np.ndarray:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1
        return np.zeros((2, 2), np.uint8)

    monkeypatch.setattr(Scene, "tile", slow)
    app = view_app(scene)

    async def many() -> list[int]:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url=HOME) as browser:
            path = "/plane?level=0&c=0&row=0&column=0&z="
            answers = await asyncio.gather(*(browser.get(f"{path}{i % 3}") for i in range(20)))
            return [a.status_code for a in answers]

    assert asyncio.run(many()) == [200] * 20
    assert most == AT_ONCE


def test_a_port_that_is_taken_is_told() -> None:
    with bound() as listener:
        port = listener.getsockname()[1]
        assert address(listener) == f"http://127.0.0.1:{port}/"
        with pytest.raises(InputError, match=f"--port; .*{port}"):
            bound(port)


def test_without_its_extra_the_command_says_so(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "inif.view.run")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    done = cli("view", "a.inif")
    assert done.code == 2
    assert str(MissingExtraError("uvicorn", "serve", need="inif view")) in done.stderr


def test_the_command_serves_until_ctrl_c(decoded: np.ndarray, tmp_path: Path) -> None:
    """It takes a second: a process of its own is what Ctrl-C ends."""
    stored(decoded[0, 0], "YX").save(tmp_path / "a.inif")
    np.save(tmp_path / "a.npy", decoded[0, 0])
    words = [sys.executable, "-m", "inif", "view", "a.inif", "--original", "a.npy", "--no-browser"]
    with subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        url = run.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{url}info", timeout=30) as answer:
            assert b'"name":"a.inif"' in answer.read()
        run.send_signal(signal.SIGINT)
        assert run.wait(30) == 0
