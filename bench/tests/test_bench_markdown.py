"""The page: every number where it belongs, every gap with its reason."""

from __future__ import annotations

import re

import pytest
from bench_records import PLANE, RATIOS, arm, cell, everything, image, lossless, original, record

from inif_bench.markdown import page, summary_table
from inif_bench.summary import digits, figure_name, percent, table


def rows(text: str, section: str, first: str) -> list[list[str]]:
    """Cells of the table rows that begin with `first`, in the section below a heading."""
    body = re.split(rf"^#+ {re.escape(section)}.*$", text, flags=re.M)[1]
    body = re.split(r"^#+ ", body, flags=re.M)[0]
    lines = [line for line in body.split("\n") if line.startswith(f"| {first} |")]
    return [[c.strip() for c in line.strip("|").split(" | ")] for line in lines]


@pytest.fixture(scope="module")
def text() -> str:
    records = everything()
    low = next(r.image for r in records if r.image["name"] == "low_yx")
    return page(records, {"low_yx": original(low, reference_psnr=27.1)})


def test_the_best_psnr_is_bold(text: str) -> None:
    psnr, _, _ = rows(text, "nuclei_zyx", "AV1")
    assert psnr == ["AV1", *(f"**{p}**" for p in ("45.40", "42.40", "40.90", "39.40", "36.40"))]
    psnr, _, worst = rows(text, "nuclei_zyx", "HEVC")
    assert psnr[1] == "45.00"
    assert worst[1] == "43.00 (Z=3)"


def test_unreachable_targets_never_look_as_if_they_were_met(text: str) -> None:
    for section in ("nuclei_zyx", "low_yx", "Against a second exposure"):
        for zfp in rows(text, section, "ZFP"):
            assert zfp == ["ZFP", *["– (41×)"] * len(RATIOS)]
        for jpegxl in rows(text, section, "JPEGXL"):
            assert jpegxl[-1] == "– (400×)"
    (summary,) = rows(text, "Summary", "ZFP")
    assert summary[1:6] == ["– (0 of 4)"] * 5
    assert "19.87" not in text
    assert "35.50 |" not in "".join(line for line in text.split("\n") if "JPEGXL" in line)


def test_an_unreachable_file_is_never_the_best() -> None:
    nuclei = image("nuclei_zyx")
    over = cell(nuclei["raw_bytes"], 512, 60.0, reached=100)
    records = [record(nuclei, arm("hevc")), record(nuclei, arm("av1"), r512=over)]
    hevc, *_ = rows(page(records), "nuclei_zyx", "HEVC")
    assert hevc[-1] == "**36.00**"


def test_missing_failed_and_unrun_arms_are_named_with_their_reasons(text: str) -> None:
    gaps = "Targets that were not met"
    (sperr,) = rows(text, gaps, "`sperr`")
    assert sperr[1:4] == ["missing", "imagecodecs has no SPERR here", "20"]
    (failed,) = rows(text, gaps, "`hevc-as-published`")
    assert failed[1:4] == ["failed", "RuntimeError: a\\|b", "4"]
    (unrun,) = rows(text, gaps, "`siren-as-published`")
    assert (unrun[1], unrun[3]) == ("not run", "16")
    (zfp,) = rows(text, gaps, "`zfp`")
    assert "nuclei_zyx 64×, 128×, 181×, 256×, 512× (smallest: 41×)" in zfp[4]
    assert "`siren-as-published`: the tested curve has 1 of the 5 distinct points" in text
    psnr, *_ = rows(text, "nuclei_zyx", "SPERR")
    assert psnr == ["SPERR", *["missing"] * 5]


def test_bd_rates_state_how_many_images_and_how_much_overlap(text: str) -> None:
    (hevc,) = rows(text, "Against the best codec of each image", "HEVC")
    assert hevc[1].endswith("% (2 of 2)")
    assert hevc[4].endswith("% (4 of 4)")
    assert re.fullmatch(r"\d+ %", hevc[6])
    (nuclei,) = rows(text, "Against HEVC", "nuclei_zyx")
    assert re.fullmatch(r"−8\.\d % \(97 %\)", nuclei[1])
    (low,) = rows(text, "Against the best codec of each image", "low_yx")
    assert low[-1] == "jpegxl at 64×, 128×, 181×, 256×; hevc at 512×"


def test_crossings_are_marked_where_they_are_bounds(text: str) -> None:
    (nuclei,) = rows(text, "Ratio at the PSNR of HEVC at 128×", "nuclei_zyx")
    assert nuclei[1:3] == ["42.00", "128×"]
    assert "<41×" in nuclei


def test_the_second_exposure_and_the_original_itself(text: str) -> None:
    assert "low_yx against high_yx; the original itself: 27.10 dB." in text
    (hevc,) = rows(text, "Against a second exposure", "HEVC")
    assert hevc[1] == "30.00"


def test_the_page_says_how_it_was_made(text: str) -> None:
    for part in (
        "2025-11-25",
        "numpy 2.0",
        "```\ninif-bench\n```",
        "- **AV1** (`av1`, codec): preset slow; rate control CRF, by search",
        "| nuclei_zyx | Blosc2 + Zstd, lossless | 1.50× |",
        "## What is not tested",
        "images of 1 to 1 MB",
        "figures/bench-rd-nuclei-zyx.png",
        "figures/bench-panel-low-yx.png",
    ):
        assert part in text


def test_every_table_is_whole(text: str) -> None:
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.M):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.strip().split("\n")}
        assert len(widths) == 1, block


def test_settings_that_differ_between_images_are_told_apart() -> None:
    other = record(image("b"), arm("hevc", settings={"preset": "fast"}))
    text = page([record(image("a"), arm("hevc")), other])
    assert "a: preset slow; rate control CRF, by search. b: preset fast" in text


def test_a_page_without_references_lossless_or_crops() -> None:
    plane = image("p", PLANE)
    cells = {}
    for ratio in RATIOS:
        cells[f"r{ratio:g}"] = cell(plane["raw_bytes"], ratio, 40.0)
        del cells[f"r{ratio:g}"]["crop_png"]
    text = page([record(plane, arm("hevc"), **cells)])
    for absent in ("second exposure", "Without loss", "bench-panel", "Targets that were not met"):
        assert absent not in text


def test_a_lossless_result_of_a_lossy_arm_is_exact() -> None:
    one = image("a")
    exact = cell(one["raw_bytes"], 64, None)
    psnr, *_ = rows(page([record(one, arm("hevc"), r64=exact)]), "a", "HEVC")
    assert psnr[1] == "exact"


def test_the_summary_has_a_row_for_each_lossy_arm() -> None:
    summary = summary_table(everything())
    assert summary.count("\n| ") == 1 + 8
    assert "| arm | 64×, dB (4 images) |" in summary
    assert "Zstd" not in summary
    assert "| INIF-SIREN | 42.50 | 39.50 | 38.00 | 36.50 | 33.50 | +95.9 % (4) | 3.1 | 1.3 |" in (
        summary
    )


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
