"""Which files a server has by which names, and what its pages tell of them."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from inif.errors import InputError, MissingExtraError
from inif.image import Metadata
from inif.serve import app_of
from inif.serve.places import Places, group_of

pytest.importorskip("starlette", reason="the extra 'serve' is not installed")
pytest.importorskip("httpx2", reason="httpx2, which starlette's client needs, is not installed")

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

STACK = "stack.ome.zarr"


# ---------------------------------------------------------------- what is served


def test_links_may_not_lead_out_of_a_folder(folder: Path, client: TestClient) -> None:
    (folder / "out.inif").symlink_to(folder.parent / "secret.inif")
    (folder / "up").symlink_to(folder.parent)
    (folder / "round.inif").symlink_to("round.inif")
    (folder / "same.inif").symlink_to("stack.inif")
    (folder / "folder.inif").mkdir()
    for name in ("out.inif", "up/secret.inif", "round.inif", "folder.inif"):
        assert client.get(f"/{name}").status_code == 404
        assert client.get(f"/{group_of(name)}/zarr.json").status_code == 404
    assert client.get("/same.inif").status_code == 200
    names = [file["name"] for file in client.get("/files.json").json()["files"]]
    assert names == ["bad.inif", "same.inif", "stack.inif", "sub/two channels.inif"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_no_file(folder: Path, client: TestClient) -> None:
    os.mkfifo(folder / "pipe.inif")
    assert client.get("/pipe.inif").status_code == 404
    assert client.get("/files.json").status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "../secret.inif",
        "sub/../../secret.inif",
        "./stack.inif",
        "sub//two channels.inif",
        "/stack.inif",
        "stack.inif\0",
        "stack.inif\0.inif",
        "..\\secret.inif",
        "a" * 5000 + ".inif",
        "\udc80.inif",
        "",
        ".inif",
    ],
)
def test_names_that_stand_for_nothing(folder: Path, name: str) -> None:
    assert Places([folder]).find(name) is None
    assert Places([folder]).find(f"{folder}/{name}") is None


def test_several_places_have_names_of_their_own(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "served"
    other.mkdir(parents=True)
    secret = tmp_path / "secret.inif"
    (tmp_path / "odd").write_bytes(secret.read_bytes())
    places = Places([folder, other, secret, secret, tmp_path / "odd"])
    assert [p.name for p in places.places] == [
        "served", "served-2", "secret.inif", "secret-2.inif", "odd",
    ]  # fmt: skip
    assert places.find("served/stack.inif") == folder / "stack.inif"
    assert places.find("stack.inif") is None
    assert places.find_group("secret-2.ome.zarr/0") == ("secret-2.inif", secret, "0")
    assert places.find_group("odd.ome.zarr") == ("odd", tmp_path / "odd", "")
    names, complete = places.names()
    assert names[-3:] == ["secret.inif", "secret-2.inif", "odd"]
    assert complete


def test_a_list_of_files_has_an_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inif.serve.places.MOST_FILES", 2)
    assert Places([folder]).names() == (["bad.inif", "stack.inif"], False)
    monkeypatch.setattr("inif.serve.places.MOST_FILES", 99)
    monkeypatch.setattr("inif.serve.places.MOST_FOLDERS", 1)
    assert Places([folder]).names() == (["bad.inif", "stack.inif"], False)


def test_what_cannot_be_served_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to serve"):
        app_of([])
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        app_of([tmp_path / "nothing"])


def test_a_missing_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == "starlette"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette", None)
    monkeypatch.delitem(sys.modules, "inif.serve.app")
    monkeypatch.delitem(sys.modules, "inif.serve.answers")
    with pytest.raises(MissingExtraError, match=r"bioinif\[serve\]"):
        app_of([folder])


# ---------------------------------------------------------------- pages


def test_the_page_tells_of_every_file_and_loads_nothing(client: TestClient) -> None:
    got = client.get("/")
    assert got.headers["content-type"].startswith("text/html")
    for word in ("stack.inif", "two channels.inif", "cannot be opened", "Z 4 × Y 20 × X 24"):
        assert word in got.text
    assert re.findall(r"<link[^>]*>", got.text) == ['<link rel="icon" href="data:,">']
    assert not re.search(r"<script|<img|src=|@import|url\(", got.text)
    host = '"><script>'
    assert "<script>" not in client.get("/", headers={"Host": host}).text


def test_ready_links(client: TestClient) -> None:
    files = client.get("/files.json").json()["files"]
    broken, stack, two = files
    assert broken["problem"]
    assert set(broken["links"]) == {"inif"}
    assert stack["links"]["zarr"] == "http://testserver/stack.ome.zarr"
    url = two["links"]["neuroglancer"]
    assert url.isascii()
    state = json.loads(unquote(url.partition("#!")[2]))
    first, second = state["layers"]
    assert first["source"] == "http://testserver/sub/two%20channels.ome.zarr/|zarr3:"
    assert first["shaderControls"]["color"] == "#00FF00"
    assert second["name"] == "1 <b>&'\""
    assert (first["localPosition"], second["localPosition"]) == ([0], [1])
    assert state["layout"] == "xy"
    assert stack["links"]["vizarr"].endswith("?source=http://testserver/stack.ome.zarr")


def test_a_group_can_be_listed_by_its_links(client: TestClient) -> None:
    for path in (STACK, f"{STACK}/"):
        text = client.get(f"/{path}").text
        assert re.findall('<a href="(.*?)"', text) == [f"/{STACK}/zarr.json", f"/{STACK}/0/"]
    links = re.findall('<a href="(.*?)"', client.get("/sub/two%20channels.ome.zarr/0").text)
    assert links == ["/sub/two%20channels.ome.zarr/0/zarr.json"]


def test_another_application_can_hold_it(folder: Path) -> None:
    app = app_of([folder])
    with TestClient(Starlette(routes=[Mount("/data", app)])) as client:
        assert client.get(f"/data/{STACK}/0/c/1/0/0").status_code == 200
        links = client.get("/data/files.json").json()["files"][1]["links"]
        assert links["inif"] == "http://testserver/data/stack.inif"
        assert f'href="/data/{STACK}/zarr.json"' in client.get(f"/data/{STACK}").text
    app.state.shelf.close()


def test_neuroglancer_gets_the_steps_that_ome_zarr_states(
    random_file: Callable[..., bytes], tmp_path: Path
) -> None:
    scale = {"T": (2.0, "min"), "Y": (0.5, "µm"), "X": (0.25, "µm")}
    data = random_file("TZYX", (2, 3, 9, 8), meta=Metadata(scale=scale))
    (tmp_path / "a.inif").write_bytes(data)
    with TestClient(app_of([tmp_path / "a.inif"])) as client:
        (file,) = client.get("/files.json").json()["files"]
    state = json.loads(unquote(file["links"]["neuroglancer"].partition("#!")[2]))
    assert list(state["dimensions"]) == ["x", "y", "z", "t"]
    assert state["dimensions"]["t"] == [120, "s"]
    assert state["dimensions"]["z"] == [1, ""]
    assert state["dimensions"]["x"] == [pytest.approx(0.25e-6), "m"]
    assert (state["layout"], state["crossSectionScale"]) == ("4panel", 18 / 500)
