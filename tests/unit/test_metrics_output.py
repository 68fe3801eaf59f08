"""Text, HTML and figure: readable, escaped, whole or not at all."""

from __future__ import annotations

import builtins
import io
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from inif.errors import InputError, MissingExtraError
from inif.image import Channel, Image, Metadata
from inif.metrics import Evaluation, evaluate
from inif.metrics.figure import bar_length, counts, figure, grey_window
from inif.metrics.html import html, html_report
from inif.metrics.text import render

EVIL = "<script>alert('x')</script>[red]&\"name"


class FakeFile:
    def __init__(self, data: np.ndarray, axes: str, lossy: dict[str, Any]) -> None:
        self._data, self.axes, self.shape, self.dtype = data, axes, data.shape, data.dtype
        self.file_bytes = 321
        self.header = {"lossy": lossy}
        self.meta = Metadata()

    def __getitem__(self, key: Any) -> np.ndarray:
        return self._data[key]


def make(shape: tuple[int, ...] = (2, 3, 24, 30), axes: str = "CZYX") -> Evaluation:
    rng = np.random.default_rng(0)
    a = rng.integers(100, 4000, shape).astype(np.uint16)
    b = (a + rng.integers(-300, 300, shape)).clip(0, 65535).astype(np.uint16)
    meta = Metadata(
        scale={"Y": (0.2, "µm"), "X": (0.2, "µm")}, channels=(Channel(EVIL), Channel("DNA"))
    )
    lossy = {"method": EVIL, "target": {"ratio": 128}, "sha256": "ab" * 32, EVIL: None}
    return evaluate(Image(a, axes, meta, source=EVIL), FakeFile(b, axes, lossy))


class Checker(HTMLParser):
    """Counts open elements and collects every address."""

    VOID = frozenset({"meta", "img", "br", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_whole_escaped_and_needs_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    target = tmp_path / "r.html"
    assert html_report(make(), target) == target
    text = target.read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert "script" not in checker.seen
    assert len(checker.addresses) == 1
    assert checker.addresses[0].startswith("data:image/png;base64,")
    assert "&lt;script&gt;" in text
    assert "://" not in text
    for word in ("PSNR", "Provenance", "sha256", "DNA", "Range used", "Finest detail kept"):
        assert word in text


def test_html_without_matplotlib_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    without_matplotlib(monkeypatch)
    assert "pip install &#x27;bioinif[plot]&#x27;" in html(make())


def test_html_and_figure_of_an_image_without_planes(tmp_path: Path) -> None:
    line = make((30,), "X")
    assert "No picture" in html(line)
    with pytest.raises(InputError, match="no picture"):
        figure(line, tmp_path / "f.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((24, 30), "YX"),
        ((2, 3, 24, 30), "CZYX"),
        ((5, 20, 20), "CYX"),
        ((1, 1), "YX"),
        ((2, 100, 3), "ZYX"),
        ((1500, 8), "YX"),
    ],
)
def test_figure_is_a_png(shape: tuple[int, ...], axes: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    target = figure(make(shape, axes), tmp_path / "f.png")
    assert target.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["f.png"]


def test_figure_of_a_pair_of_exact_constant_images(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    flat = Image(np.zeros((2, 16, 16), np.float32), "ZYX")
    assert figure(evaluate(flat, flat), tmp_path / "f.png").stat().st_size > 0


def test_figure_needs_matplotlib(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_matplotlib(monkeypatch)
    with pytest.raises(MissingExtraError, match=r"inif\[plot\]"):
        figure(make(), tmp_path / "f.png")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder"):
        html_report(make((20,), "X"), tmp_path / "no" / "r.html")


def test_text_shows_ranges_warnings_and_names_as_they_are() -> None:
    out = io.StringIO()
    Console(file=out, width=200).print(render(make()))
    text = out.getvalue()
    assert "[red]" in text
    for word in ("PSNR", "Range used", "Provenance", "Nothing stands out", "What was lost"):
        assert word in text
    short = io.StringIO()
    Console(file=short, width=200).print(render(make(), full=False))
    assert "Provenance" not in short.getvalue()
    assert "Range used" in short.getvalue()


def test_text_of_many_channels_shows_the_weakest() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 250, (41, 16, 16)).astype(np.uint8)
    b = a.copy()
    b[33] //= 2
    out = io.StringIO()
    Console(file=out, width=200).print(render(evaluate(Image(a, "CYX"), Image(b, "CYX"))))
    assert "The 12 weakest of 41 channels." in out.getvalue()
    assert "\n 33 " in out.getvalue()


def test_text_of_an_exact_image() -> None:
    a = Image(np.arange(400, dtype=np.uint16).reshape(20, 20), "YX")
    out = io.StringIO()
    Console(file=out, width=120).print(render(evaluate(a, a)))
    assert "Every voxel is exact." in out.getvalue()


def test_numbers_for_the_figure() -> None:
    assert bar_length(256, 0.2) == 10
    assert bar_length(100, 0.1) == pytest.approx(2)
    assert bar_length(3, 1e-9) == pytest.approx(5e-10)
    assert grey_window(np.zeros((4, 4))) == (0.0, 1.0)
    sparse = np.zeros((100, 100))
    sparse[0, 0] = 7
    assert grey_window(sparse) == (0.0, 7.0)
    assert [counts(v) for v in (43715.4, 3.14159, 2e7)] == ["43715", "3.14", "2e+07"]


def without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return plain(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
