"""What a new user meets: the README's commands, the help, completion, words, a quiet stderr."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inif.cli.plain import stored_as
from inif.codecs import load_codec
from inif.image import Image, Metadata
from inif.io import write_image

Cli = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
COMMANDS = re.findall(r"^    (inif .*?)(?: {2,}#.*)?$", README.read_text("utf-8"), re.MULTILINE)


def test_the_readme_begins_with_what_it_is_a_picture_and_three_commands() -> None:
    text = README.read_text("utf-8")
    start = text[: text.index("## ")]
    picture = re.search(r"!\[[^]]+\]\(([^)]+)\)", start)
    assert picture is not None
    assert (ROOT / picture[1]).is_file()
    for word in ("venv", "activate", "pip install", "inif compress", "inif evaluate"):
        assert word in start
    assert text.index(picture[0]) < text.index("pip install")
    assert "| arm |" not in text  # the benchmark's table is on a page of its own


def test_the_first_commands_of_the_readme(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    z, y, x = np.indices((8, 64, 64), np.float32)
    data = 200 + 3000 * np.exp(-((y - 20 - 2 * z) ** 2 + (x - 30) ** 2) / 120)
    scale = dict.fromkeys("ZYX", (0.2, "µm"))
    write_image(Image(data.astype(np.uint16), "ZYX", Metadata(scale=scale)), tmp_path / "c.ome.tif")
    monkeypatch.chdir(tmp_path)
    os.rename("c.ome.tif", "cells.ome.tif")
    first = COMMANDS[:3]
    assert [c.split()[1] for c in first] == ["compress", "evaluate", "decompress"]
    for command in first:
        words = shlex.split(command)[1:]
        quick = ("--effort", "1") if words[0] == "compress" else ()
        outcome = cli(*(w.replace("128", "40") for w in words), *quick)
        assert (outcome.code, outcome.stderr.count("error")) == (0, 0), outcome.stderr
    assert {p.name for p in tmp_path.iterdir()} == {
        "cells.ome.tif", "cells.inif", "lost.html", "decoded.ome.tif",
    }  # fmt: skip


@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_every_option_of_the_readme_is_there(
    cli: Cli, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    words = shlex.split(command)[1:]
    depth = 2 if words[0] in ("optimizer", "perceptual") else 1
    help_text = cli(*words[:depth], "--help").stdout
    for word in words[depth:]:
        if word.startswith("-"):
            assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", help_text), word


def test_everyday_commands_and_options_come_first(cli: Cli) -> None:
    text = cli("--help").stdout
    names = ("Everyday", "compress", "decompress", "info", "evaluate", "verify", "More", "convert")
    places = [re.search(rf"(?m)^\W*{name}\b", text) for name in names]
    found = [place.start() for place in places if place is not None]
    assert len(found) == len(names)
    assert found == sorted(found)
    compress = cli("compress", "--help").stdout
    basic, advanced = compress.split("Advanced")
    for option in ("--ratio", "--size", "--psnr", "--effort", "--force", "--json"):
        assert option in basic
    for option in ("--codec", "--select", "--share", "--seed", "--optimizer"):
        assert option in advanced


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    words = {"COMP_WORDS": "inif comp", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "inif comp"}
    asked = os.environ | words | {"_INIF_COMPLETE": f"complete_{shell}"}
    asked["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    done = subprocess.run(
        [sys.executable, "-c", "from inif.__main__ import main; main()"],
        env=asked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "compress" in done.stdout
    assert done.stderr == ""


def test_the_words_of_the_default_output(cli: Cli, tmp_path: Path) -> None:
    y, x = np.indices((40, 50))
    np.save(tmp_path / "a.npy", (1000 + 900 * np.sin(x / 7) * np.cos(y / 9)).astype(np.uint16))
    words = ("compress", tmp_path / "a.npy", "--axes", "YX", "--ratio", "4", "--effort", "1")
    usual, more = cli(*words).stdout, cli(*words, "--force", "--verbose").stdout
    shown = cli("info", tmp_path / "a.inif").stdout
    for text in (usual, shown):
        assert "a field of latents" in " ".join(text.split())
        assert not re.search(r"\b(knob|codec|auto|trial|hybrid|seed|sha256)\b", text)
    for text in (more, cli("info", tmp_path / "a.inif", "-v").stdout):
        assert {"method", "auto"} <= set(text.split())


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"codec": {"kind": "av1"}}, "AV1, repaired by a small neural network"),
        (
            {"codec": {"kind": "hevc"}, "lossy": {"auto": "av1 38.1, hevc 38.3"}},
            "HEVC, repaired by a small neural network (the best of what was tried on this image)",
        ),
        ({"lossy": {"auto": "codecs need planes"}}, "a neural network alone (codecs need planes)"),
        ({"codec": {"kind": "av9"}}, "av9, repaired by a small neural network"),
        ({"lossless": {"codecs": ["jpegxl", "zstd"]}}, "the exact samples, by JPEG XL and zstd"),
    ],
)
def test_how_a_file_is_stored_in_plain_words(header: dict[str, Any], words: str) -> None:
    assert stored_as(header) == words


def test_an_encoder_that_complains_does_not_write_to_the_terminal(
    capfd: pytest.CaptureFixture[str],
) -> None:
    from inif.errors import InifError

    codec = load_codec("av1")
    levels = np.zeros((2, 16, 16), np.uint16)
    with pytest.raises(InifError):
        codec.encode(levels, codec.knob(2).start, tune=99)
    assert capfd.readouterr() == ("", "")


def test_the_distribution_is_not_the_other_project_of_this_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["name"] == "bioinif"
    assert list(project["scripts"]) == ["inif"]
    extras = project["optional-dependencies"]
    core = {re.split(r"[>\[]", need)[0] for need in project["dependencies"]}
    for name, needs in extras.items():
        assert not core & {re.split(r"[>\[]", need)[0] for need in needs}, name
        assert all(need.startswith("bioinif[") for need in needs if "inif" in need)
    table = README.read_text("utf-8")
    for name in extras.keys() - {"dev"}:
        assert f"| `{name}` |" in table
    for path in (*(ROOT / "src").rglob("*.py"), *(ROOT / "docs").rglob("*.md"), README):
        assert not re.search(r"(?<!bio)inif\\?\\?\[[a-z]", path.read_text("utf-8")), path


def test_bioio_finds_our_reader_by_the_name_of_the_distribution() -> None:
    """It looks up what a distribution of the entry point's name needs: "bioio-base", once.

    Where it finds no such distribution, or not exactly one such need, no file of any kind opens.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["bioio.readers"] == {project["name"]: "bioio_inif"}
    needs = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        needs += extra
    assert sum(need.startswith("bioio-base") for need in needs) == 1
