"""Comparisons of records: curves, the best codec, means, and which images may be averaged."""

from __future__ import annotations

import pytest
from bench_records import MULTI, PLANE, RATIOS, arm, cell, everything, image, lossless, record

from inif_bench.compare import (
    BEST,
    HEVC,
    arms_of,
    best_codec,
    common_ratios,
    compare,
    curve_of,
    kind_of,
    ratios_of,
    shared_at,
)

NUCLEI = image("nuclei_zyx")


@pytest.mark.parametrize(
    ("axes", "shape", "kind"),
    [
        ("YX", (9, 9), "plane"),
        ("CYX", (3, 9, 9), "plane"),
        ("ZYX", (5, 9, 9), "stack"),
        ("CZYX", (1, 5, 9, 9), "stack"),
        ("ZCYX", (5, 2, 9, 9), "multi"),
        ("TYX", (4, 9, 9), "multi"),
        ("TZCYX", (4, 5, 2, 9, 9), "multi"),
    ],
)
def test_kinds_of_images(axes: str, shape: tuple[int, ...], kind: str) -> None:
    assert kind_of(image("x", (axes, shape))) == kind


def test_a_curve_holds_unreachable_files_but_nothing_without_a_finite_psnr() -> None:
    raw = NUCLEI["raw_bytes"]
    gone = {"status": "failed", "reason": "no"}
    far = cell(raw, 512, 30.0, reached=300)
    one = record(NUCLEI, arm("av1"), r64=cell(raw, 64, None), r128=gone, r512=far)
    points = curve_of(one).points
    assert [p.target for p in points] == [181, 256, 512]
    assert [p.met for p in points] == [True, True, False]
    assert points[-1].file_bytes == raw // 300


def test_half_the_bytes_are_minus_fifty_percent() -> None:
    records = [record(NUCLEI, arm(HEVC)), record(NUCLEI, arm("inif", "inif"), share=0.5)]
    gain = compare(records).gain("nuclei_zyx", "inif", HEVC)
    assert gain is not None
    assert gain.bd is not None
    assert gain.bd.percent == pytest.approx(-50, abs=0.02)  # files are whole bytes


def test_the_best_codec_is_the_best_of_each_ratio() -> None:
    raw = NUCLEI["raw_bytes"]
    records = [
        record(NUCLEI, arm(HEVC)),
        record(NUCLEI, arm("av1"), 0.5, r64=cell(raw, 64, 44.0)),
        record(NUCLEI, arm("jpegxl"), 9.0),
        record(NUCLEI, arm("inif", "inif"), 9.0),
    ]
    best = best_codec(records, NUCLEI)
    assert [p.arm for p in best.points] == [HEVC, *["av1"] * 4]
    assert [p.target for p in best.points] == list(RATIOS)


def test_avif_and_jpeg_xl_compete_on_planes_only() -> None:
    plane = image("low_yx", PLANE)
    for one, winner in ((plane, "jpegxl"), (NUCLEI, HEVC)):
        records = [record(one, arm(HEVC)), record(one, arm("jpegxl"), 1.0)]
        assert {p.arm for p in best_codec(records, one).points} == {winner}


def test_a_better_psnr_over_budget_does_not_win() -> None:
    raw = NUCLEI["raw_bytes"]
    over = cell(raw, 512, 60.0, reached=100)
    records = [record(NUCLEI, arm(HEVC)), record(NUCLEI, arm("av1"), -5, r512=over)]
    last = best_codec(records, NUCLEI).points[-1]
    assert (last.arm, last.met) == (HEVC, True)


def test_where_no_codec_meets_the_target_the_smallest_file_stands_in() -> None:
    raw = NUCLEI["raw_bytes"]
    records = [
        record(NUCLEI, arm(HEVC), r512=cell(raw, 512, 50.0, reached=300)),
        record(NUCLEI, arm("av1"), r512=cell(raw, 512, 36.0, reached=400)),
    ]
    best = best_codec(records, NUCLEI)
    assert len(best.points) == len(RATIOS)
    assert (best.points[-1].arm, best.points[-1].met) == ("av1", False)


def test_means_are_taken_over_the_logarithm_and_by_kind() -> None:
    stacks = [image("a"), image("b")]
    records = [record(i, arm(HEVC)) for i in (*stacks, image("c", MULTI))]
    shares = [0.5, 2.0, 2.0]
    records += [
        record(i, arm("inif", "inif"), share=s)
        for i, s in zip((*stacks, image("c", MULTI)), shares, strict=True)
    ]
    result = compare(records)
    stack, multi, whole = (result.mean("inif", HEVC, k) for k in ("stack", "multi", "all"))
    assert stack is not None
    assert stack.percent == pytest.approx(0, abs=0.05)
    assert (stack.images, stack.of) == (2, 2)
    assert (stack.lowest, stack.highest) == pytest.approx((-50, 100), abs=0.1)
    assert multi is not None
    assert multi.percent == pytest.approx(100, abs=0.1)
    assert whole is not None
    assert whole.percent == pytest.approx(100 * (2 ** (1 / 3) - 1), abs=0.1)
    assert result.mean("inif", HEVC, "plane") is None


def test_no_number_comes_with_its_reason() -> None:
    records = [record(NUCLEI, arm(HEVC)), record(NUCLEI, arm("siren", "published"), ratios=(128,))]
    result = compare(records)
    gain = result.gain("nuclei_zyx", "siren", HEVC)
    assert gain is not None
    assert gain.bd is None
    assert "1 of the 5 distinct points" in str(gain.reason)
    assert result.mean("siren", HEVC) is None
    alone = compare([record(NUCLEI, arm("inif", "inif"))]).gain("nuclei_zyx", "inif", HEVC)
    assert alone is not None
    assert alone.reason == "hevc has no points"


def test_crossings_are_at_the_psnr_of_hevc_at_128() -> None:
    records = [record(NUCLEI, arm(HEVC)), record(NUCLEI, arm("av1"), 3.0)]
    found = {c.arm: c for c in compare(records).crossings}
    assert found["av1"].psnr == 42
    assert found["av1"].crossing.ratio == pytest.approx(256, abs=1)
    assert found[HEVC].crossing.ratio == pytest.approx(128, abs=1)


def test_no_crossing_where_hevc_missed_its_target() -> None:
    missed = cell(NUCLEI["raw_bytes"], 128, 42.0, reached=100)
    assert compare([record(NUCLEI, arm(HEVC), r128=missed)]).crossings == ()


def test_lossless_arms_take_no_part() -> None:
    result = compare([record(NUCLEI, arm(HEVC)), lossless(NUCLEI)])
    assert {c.arm for c in result.curves} == {HEVC, BEST}
    assert ratios_of([lossless(NUCLEI)]) == []


def test_common_ratios_are_those_of_every_image() -> None:
    other = record(image("u8"), arm(HEVC), ratios=(32, 64, 128))
    assert common_ratios([record(NUCLEI, arm(HEVC)), other]) == [64, 128]
    foreign = record(image("u8"), arm(HEVC), ratios=(7,))
    assert common_ratios([record(NUCLEI, arm(HEVC)), foreign]) == [7, *RATIOS]
    assert common_ratios([]) == []


def test_means_are_over_images_on_which_all_judged_arms_met_the_target() -> None:
    images = [image(f"i{n}") for n in range(4)]
    missed = [cell(i["raw_bytes"], 512, 30.0, reached=300) for i in images]
    records = [record(i, arm(HEVC)) for i in images]
    records += [
        record(i, arm("av1"), **({"r512": missed[n]} if n == 0 else {}))
        for n, i in enumerate(images)
    ]
    records += [record(i, arm("zfp"), r512=missed[n]) for n, i in enumerate(images)]
    share = shared_at(records, 512)
    assert share.arms == ("av1", HEVC)
    assert share.images == ("i1", "i2", "i3")
    assert share.met == {HEVC: 4, "av1": 3, "zfp": 0}


def test_arms_are_ordered_by_family_and_known_names() -> None:
    names = [r.arm["name"] for r in arms_of(everything())]
    codecs = ["hevc", "av1", "jpegxl", "sperr", "zfp"]
    assert names == [*codecs, "hevc-as-published", "siren-as-published", "inif-siren", "zstd"]
