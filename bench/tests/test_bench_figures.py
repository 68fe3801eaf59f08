"""Figures and the report: files that are there, small, the same every time, and checked."""

from __future__ import annotations

import builtins
import io
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from bench_records import arm, cell, everything, image, original, record

from inif.errors import InputError, MissingExtraError
from inif_bench.figures import boxes, contact_sheet, figures, rate_distortion
from inif_bench.panels import panel
from inif_bench.report import write_report
from inif_bench.store import save_original, save_record
from inif_bench.summary import View


def pixels(png: bytes) -> np.ndarray:
    """(Y, X, 3) uint8; figures have a palette."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def holds(png: bytes, color: str) -> bool:
    wanted = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)])
    return bool((np.abs(pixels(png).astype(int) - wanted).max(axis=2) < 12).any())


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    for one in everything():
        if one.image["name"] in ("nuclei_zyx", "low_yx"):
            save_record(folder, one)
            save_original(folder, original(one.image))
    return folder


@pytest.mark.slow
def test_every_figure_is_a_small_picture_with_something_in_it() -> None:
    view = View([r for r in everything() if r.image["name"] in ("nuclei_zyx", "low_yx")])
    found = figures(view, {i["name"]: original(i) for i in view.images})
    assert set(found) == {
        "bench-rd.png",
        "bench-box.png",
        "bench-rd-nuclei-zyx.png",
        "bench-rd-low-yx.png",
        "bench-panel-nuclei-zyx.png",
        "bench-panel-low-yx.png",
    }
    for png in found.values():
        assert png.startswith(b"\x89PNG")
        assert 5_000 < len(png) <= 200_000
        assert len(np.unique(pixels(png).reshape(-1, 3), axis=0)) > 20
    assert b"tIME" not in found["bench-rd.png"]


def test_an_arm_has_one_colour_in_all_figures_and_the_same_bytes_every_time() -> None:
    one = image("nuclei_zyx")
    view = View([record(one, arm("hevc")), record(one, arm("inif-siren", "inif"), -2)])
    curves = rate_distortion(view, "nuclei_zyx")
    assert curves == rate_distortion(view, "nuclei_zyx")
    for color in ("#0072b2", "#d50000"):
        assert holds(curves, color)
        assert holds(contact_sheet(view), color)


def test_a_panel_shows_errors_in_colour_and_leaves_out_what_missed_its_target() -> None:
    one = image("nuclei_zyx")
    good = View([record(one, arm("hevc"), -8)])
    assert holds(panel(good, one, original(one)), "#67001f")
    raw = one["raw_bytes"]
    missed = {f"r{r:g}": cell(raw, r, 20.0, reached=41) for r in (64, 128, 181, 256, 512)}
    blank = panel(View([record(one, arm("hevc"), **missed)]), one, original(one))
    assert not holds(blank, "#67001f")
    assert holds(blank, "#f2f2f2")


def test_a_panel_without_the_original_has_no_errors() -> None:
    one = image("nuclei_zyx")
    assert not holds(panel(View([record(one, arm("hevc"))]), one, {"crop": None}), "#67001f")


def test_boxes_can_be_drawn_where_no_arm_met_anything() -> None:
    one = image("a")
    missed = cell(one["raw_bytes"], 64, 20.0, reached=41)
    assert boxes(View([record(one, arm("zfp"), ratios=(), r64=missed)])).startswith(b"\x89PNG")


def test_the_report_writes_page_and_figures(results: Path) -> None:
    docs = results.parent / "docs"
    (docs / "figures").mkdir(parents=True)
    (docs / "figures" / "bench-rd-gone.png").write_bytes(b"old")
    (docs / "figures" / "other.png").write_bytes(b"keep")
    written = write_report(results, docs)
    text = (docs / "benchmark.md").read_text("utf-8")
    pictures = {p.name for p in (docs / "figures").glob("bench-*.png")}
    assert pictures == {p.name for p in written if p.suffix == ".png"}
    assert all(f"figures/{name}" in text for name in pictures)
    assert (docs / "figures" / "other.png").exists()
    assert imagecodecs.png_decode((docs / "figures" / "bench-rd.png").read_bytes()).ndim >= 2
    texts = [path for path in written if path.suffix != ".png"]
    assert write_report(results, docs, check=True) == texts
    assert all(f"({path.relative_to(docs)})" in text for path in texts[1:])


@pytest.mark.slow
def test_check_finds_stale_text_and_writes_nothing(results: Path) -> None:
    docs = results.parent / "docs"
    with pytest.raises(InputError, match="no such file"):
        write_report(results, docs, check=True)
    assert not docs.exists()
    texts = [path for path in write_report(results, docs) if path.suffix != ".png"]
    assert {path.suffix for path in texts} == {".md", ".csv"}
    for path in texts:
        right = path.read_text("utf-8")
        head, _, tail = right.rpartition("5")
        path.write_text(f"{head}6{tail}", "utf-8")
        with pytest.raises(InputError, match=r"another text from line \d+"):
            write_report(results, docs, check=True)
        path.write_text(right, "utf-8")
    write_report(results, docs, check=True)


def test_no_results_are_one_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no benchmark results"):
        write_report(tmp_path / "none", tmp_path)


@pytest.mark.slow
def test_without_matplotlib_figures_name_the_extra_and_the_check_works(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = results.parent / "docs"
    write_report(results, docs)
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] in ("matplotlib", "PIL"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    write_report(results, docs, check=True)
    with pytest.raises(MissingExtraError, match=r"inif\[plot\]"):
        write_report(results, docs)
