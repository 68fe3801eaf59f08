"""The page: every number where it belongs, every gap with its reason."""

from __future__ import annotations

import csv
import io
import re

import pytest
from bench_records import PLANE, RATIOS, arm, cell, everything, image, lossless, original, record

from inif_bench.markdown import page, summary_table
from inif_bench.summary import View, digits, figure_name, percent, table
from inif_bench.tables import tables


def rows(text: str, section: str, first: str) -> list[list[str]]:
    """Cells of the table rows that begin with `first`, in the section below a heading."""
    body = re.split(rf"^#+ {re.escape(section)}.*$", text, flags=re.M)[1]
    body = re.split(r"^#+ ", body, flags=re.M)[0]
    lines = [line for line in body.split("\n") if line.startswith(f"| {first} |")]
    return [[c.strip() for c in line.strip("|").split(" | ")] for line in lines]


@pytest.fixture(scope="module")
def text() -> str:
    return page(everything(), "Only *made up*.")


@pytest.fixture(scope="module")
def found() -> dict[str, list[dict[str, str]]]:
    """Rows of every CSV file."""
    records = everything()
    low = next(r.image for r in records if r.image["name"] == "low_yx")
    texts = tables(View(records), {"low_yx": original(low, reference_psnr=27.1)})
    return {name: list(csv.DictReader(io.StringIO(text))) for name, text in texts.items()}


def picked(rows: list[dict[str, str]], **wanted: str) -> list[dict[str, str]]:
    return [row for row in rows if all(row[k] == v for k, v in wanted.items())]


def test_a_file_has_its_scores(found) -> None:
    (hevc,) = picked(found["files.csv"], image="nuclei_zyx", arm="hevc", target_ratio="64")
    assert (hevc["status"], hevc["psnr_db"]) == ("done", "45.0")
    assert (hevc["worst_slice"], hevc["worst_slice_psnr_db"]) == ("Z=3", "43.0")


def test_the_best_codec_of_each_ratio_is_named(found) -> None:
    best = picked(found["files.csv"], image="low_yx", best_codec="yes")
    assert [(row["arm"], row["target_ratio"]) for row in best] == [
        ("hevc", "512"),
        *(("jpegxl", ratio) for ratio in ("64", "128", "181", "256")),
    ]


def test_unreachable_targets_never_look_as_if_they_were_met(text: str, found) -> None:
    files = picked(found["files.csv"], image="nuclei_zyx", arm="zfp")
    assert {(row["status"], round(float(row["ratio"]))) for row in files} == {("unreachable", 41)}
    (summary,) = rows(text, "Summary", "ZFP")
    assert summary[1:6] == ["– (0 of 4)"] * 5
    assert "19.87" not in text
    assert "35.50 |" not in "".join(line for line in text.split("\n") if "JPEGXL" in line)


def test_an_unreachable_file_is_never_the_best_codec() -> None:
    nuclei = image("nuclei_zyx")
    over = cell(nuclei["raw_bytes"], 512, 60.0, reached=100)
    view = View([record(nuclei, arm("hevc")), record(nuclei, arm("av1"), r512=over)])
    files = list(csv.DictReader(io.StringIO(tables(view, {})["files.csv"])))
    assert [r["arm"] for r in picked(files, target_ratio="512", best_codec="yes")] == ["hevc"]


def test_missing_failed_and_unrun_arms_are_named_with_their_reasons(text: str, found) -> None:
    files = found["files.csv"]
    sperr = picked(files, arm="sperr")
    assert {(r["status"], r["reason"]) for r in sperr} == {
        ("missing", "imagecodecs has no SPERR here")
    }
    assert len(picked(files, arm="hevc-as-published", status="failed")) == 4
    assert len(picked(files, arm="siren-as-published", status="not run")) == 16
    reasons = {r["reason"] for r in picked(found["bd-rates.csv"], arm="siren-as-published")}
    assert any("1 of the 5 distinct points" in reason for reason in reasons)
    assert "No image allows one for" in text


def test_bd_rates_state_how_many_images_and_how_much_overlap(text: str, found) -> None:
    (hevc,) = rows(text, "Bytes at equal quality", "HEVC")
    assert hevc[1].endswith(" (2)")
    assert hevc[4].endswith(" (4)")
    (av1,) = picked(found["bd-rates.csv"], image="nuclei_zyx", arm="av1", against="hevc")
    assert -9 < float(av1["bd_rate_percent"]) < -8
    assert av1["overlap_percent"] == "97"


def test_crossings_are_marked_where_they_are_bounds(found) -> None:
    crossings = picked(found["crossings.csv"], image="nuclei_zyx")
    (hevc,), (zfp,) = picked(crossings, arm="hevc"), picked(crossings, arm="zfp")
    assert (hevc["psnr_db"], hevc["bound"], hevc["ratio"]) == ("42.0", "", "128.0")
    assert (zfp["bound"], round(float(zfp["ratio"]))) == ("<", 41)


def test_the_second_exposure_and_the_original_itself(found) -> None:
    (low,) = picked(found["images.csv"], image="low_yx")
    assert (low["second_exposure"], low["psnr_to_second_exposure_db"]) == ("high_yx", "27.1")
    (hevc,) = picked(found["files.csv"], image="low_yx", arm="hevc", target_ratio="64")
    assert hevc["psnr_to_second_exposure_db"] == "30.0"


def test_the_page_says_how_it_was_made(text: str, found) -> None:
    for part in (
        "2025-11-25",
        "numpy 2.0",
        "Only *made up*.",
        "## What is not tested",
        "Images have 1 to 1 MB",
        "figures/bench-rd-nuclei-zyx.png",
        "figures/bench-panel-low-yx.png",
        *(f"(benchmark/{name})" for name in found),
    ):
        assert part in text
    (av1,) = picked(found["arms.csv"], arm="av1")
    assert av1["settings"] == "preset: slow; rate control: CRF, by search"
    (nuclei,) = picked(found["images.csv"], image="nuclei_zyx")
    assert nuclei["lossless_ratio"] == "1.5"


def test_every_table_is_whole(text: str) -> None:
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.M):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.strip().split("\n")}
        assert len(widths) == 1, block


def test_settings_that_differ_between_images_are_told_apart() -> None:
    other = record(image("b"), arm("hevc", settings={"preset": "fast"}))
    view = View([record(image("a"), arm("hevc")), other])
    arms = list(csv.DictReader(io.StringIO(tables(view, {})["arms.csv"])))
    assert [(r["images"], r["settings"]) for r in arms] == [
        ("a", "preset: slow; rate control: CRF, by search"),
        ("b", "preset: fast"),
    ]


def test_a_page_without_crops() -> None:
    plane = image("p", PLANE)
    cells = {}
    for ratio in RATIOS:
        cells[f"r{ratio:g}"] = cell(plane["raw_bytes"], ratio, 40.0)
        del cells[f"r{ratio:g}"]["crop_png"]
    assert "bench-panel" not in page([record(plane, arm("hevc"), **cells)])


def test_a_lossless_result_of_a_lossy_arm_has_no_psnr() -> None:
    one = image("a")
    view = View([record(one, arm("hevc"), r64=cell(one["raw_bytes"], 64, None))])
    files = list(csv.DictReader(io.StringIO(tables(view, {})["files.csv"])))
    (exact,) = picked(files, target_ratio="64")
    assert (exact["status"], exact["psnr_db"]) == ("done", "")


def test_the_summary_has_a_row_for_each_lossy_arm() -> None:
    summary = summary_table(everything())
    assert summary.count("\n| ") == 1 + 8
    assert "| arm | 64×, dB (4 images) |" in summary
    assert "Zstd" not in summary
    assert "| INIF-SIREN | 42.50 | 39.50 | 38.00 | 36.50 | 33.50 | 3.1 | 1.3 |" in (summary)


def test_the_summary_counts_images_that_all_arms_met() -> None:
    images = [image(f"i{n}") for n in range(4)]
    missed = cell(images[0]["raw_bytes"], 512, 30.0, reached=300)
    records = [record(i, arm("hevc")) for i in images]
    records += [record(images[0], arm("av1"), r512=missed)]
    records += [record(i, arm("av1")) for i in images[1:]]
    records += [lossless(i) for i in images]
    assert "256×, dB (4 images) | 512×, dB (3 images)" in summary_table(records)


def test_how_numbers_are_written() -> None:
    assert [percent(v) for v in (-50, 12.34, 0.01, -0.04, 131.2, -10)] == (
        ["−50.0 %", "+12.3 %", "0.0 %", "0.0 %", "+131 %", "−10.0 %"]
    )
    assert [digits(v) for v in (0.123, 9.87, 12.3, 1234.5)] == ["0.12", "9.9", "12", "1234"]
    assert table(["a"], [["x|y\nz"]]) == "| a |\n| --- |\n| x\\|y z |"
    assert figure_name("rd", "my image/1_zyx") == "bench-rd-my-image-1-zyx.png"
