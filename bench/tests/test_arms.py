"""What every arm of the benchmark must do, rival or ours: budgets met, files that decode alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from inif.errors import InifError, InputError, UnsupportedError
from inif.image import Image
from inif.metrics.fidelity import channel_ranges, psnr
from inif_bench.arms import ARMS, Arm, Options, find_arms
from inif_bench.arms.base import DriverArm

OPTIONS = Options(threads=1, seconds=1.0, effort=1)
PRESETS = ("hevc-veryslow", "av1-slow")
"""They differ from other arms in the time they take."""
CODECS = [arm for arm in ARMS if isinstance(arm, DriverArm)]
CASES = [
    pytest.param(arm, id=arm.name, marks=pytest.mark.slow if arm.name in PRESETS else ())
    for arm in CODECS
]
FIELDS = [arm for arm in ARMS if arm.family in ("inif", "published") and arm not in CODECS]


def blobs(axes: str, dtype: str = "uint16", side: int = 64) -> Image:
    """A smooth image with some noise, different in every channel."""
    sizes = {"T": 3, "C": 2, "Z": 4, "Y": side, "X": side + 6}
    shape = [sizes[a] for a in axes]
    grids = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    value = sum(
        (np.sin(g / (3 + 2 * i)) for i, g in enumerate(grids)), start=np.zeros(shape)
    ) + np.random.default_rng(3).normal(0, 0.05, shape)
    scale = {"uint8": 30, "uint16": 400, "int16": 300, "float32": 0.7}[dtype]
    low = -2000 if dtype == "int16" else 0
    return Image(((value - value.min()) * scale + low).astype(dtype), axes)


def work(arm: Arm, image: Image, ratio: float, **options: Any) -> tuple[bytes, bool, np.ndarray]:
    ranges = channel_ranges(image.data, image.axes)
    session = arm.start(image, ranges, replace(OPTIONS, **options))
    encoded = session.encode(int(image.raw_bytes / ratio))
    return encoded.data, encoded.met, arm.decode(encoded.data, 1)


def names(arms: list[Any]) -> list[str]:
    return [arm.name for arm in arms]


@pytest.mark.parametrize("arm", ARMS, ids=names(list(ARMS)))
def test_an_arm_says_what_it_is(arm):
    assert arm.family in ("codec", "published", "inif", "lossless")
    assert arm.title
    assert arm.settings
    assert find_arms([arm.name]) == [arm]


@pytest.mark.parametrize("arm", CASES)
@pytest.mark.parametrize(
    "axes", ["YX", "ZYX", "CYX", pytest.param("TZCYX", marks=pytest.mark.slow)]
)
def test_a_codec_meets_its_budget_and_decodes_from_the_file_alone(arm, axes):
    if arm.missing():
        pytest.skip(arm.missing())
    image = blobs(axes)
    data, met, decoded = work(arm, image, 16)
    assert decoded.shape == image.data.shape
    assert decoded.dtype == image.data.dtype
    assert met == (len(data) <= image.raw_bytes / 16)
    if met:
        assert psnr(image.data, decoded, axes).pooled > 15


@pytest.mark.parametrize(
    "arm", [arm for arm in CODECS if "hevc" in arm.name], ids=lambda arm: arm.name
)
def test_a_video_codec_takes_stacks_narrower_than_a_block(arm):
    if arm.missing():
        pytest.skip(arm.missing())
    _, _, decoded = work(arm, blobs("ZYX", side=40), 4)
    assert decoded.shape == (4, 40, 46)


@pytest.mark.parametrize("arm", CASES)
def test_a_codec_uses_more_bytes_for_more_quality(arm):
    if arm.missing():
        pytest.skip(arm.missing())
    image = blobs("ZYX")
    ranges = channel_ranges(image.data, image.axes)
    session = arm.start(image, ranges, OPTIONS)
    scores = []
    for ratio in (8, 24):
        encoded = session.encode(int(image.raw_bytes / ratio))
        decoded = arm.decode(encoded.data, 1)
        scores.append((len(encoded.data), psnr(image.data, decoded, image.axes).pooled))
    assert scores[0] > scores[1]
    assert scores[0][1] > scores[1][1]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("arm", CASES)
def test_a_codec_takes_every_sample_type(arm, dtype):
    if arm.missing():
        pytest.skip(arm.missing())
    image = blobs("ZYX", dtype)
    if arm.name == "hevc-as-published" and dtype != "uint8":
        with pytest.raises(UnsupportedError, match="uint8 or uint16"):
            work(arm, image, 10)
        return
    _, _, decoded = work(arm, image, 10)
    assert decoded.dtype == image.data.dtype
    assert psnr(image.data, decoded, "ZYX").pooled > 15


@pytest.mark.parametrize("arm", CASES)
def test_a_budget_below_every_file_is_said_to_be_missed(arm):
    if arm.missing():
        pytest.skip(arm.missing())
    image = blobs("YX")
    data, met, decoded = work(arm, image, image.raw_bytes / 8)
    assert not met
    assert len(data) > 8
    assert decoded.shape == image.data.shape


@pytest.mark.parametrize("arm", CASES)
def test_a_codec_needs_planes(arm):
    if arm.missing():
        pytest.skip(arm.missing())
    with pytest.raises(InputError, match="Y and X"):
        work(arm, Image(np.zeros((4, 8), np.uint16), "TX"), 4)


@pytest.mark.parametrize("name", [pytest.param("hevc", marks=pytest.mark.slow), "jpegxl", "sperr"])
def test_codecs_are_deterministic(name):
    (arm,) = find_arms([name])
    if arm.missing():
        pytest.skip(arm.missing())
    image = blobs("TZYX")
    assert work(arm, image, 20)[0] == work(arm, image, 20)[0]


OWN = [arm for arm in FIELDS if arm.family == "inif"]


@pytest.mark.parametrize(
    "arm",
    [
        pytest.param(arm, id=arm.name, marks=() if arm.name == "inif" else pytest.mark.slow)
        for arm in OWN
    ],
)
def test_our_own_arm_meets_its_budget(arm):
    image = blobs("CYX", side=32)
    data, met, decoded = work(arm, image, 8)
    assert met
    assert len(data) <= image.raw_bytes / 8
    assert decoded.shape == image.data.shape
    assert decoded.dtype == image.data.dtype
    assert psnr(image.data, decoded, "CYX").pooled > 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "axes"),
    [
        pytest.param("siren-as-published", "ZYX", marks=pytest.mark.slow),
        ("inif-as-published", "CYX"),
    ],
)
def test_a_published_field_uses_its_bytes_for_weights(name, axes):
    """Only the paper's own network learns its frequency."""
    (arm,) = find_arms([name])
    image = blobs(axes, side=48)
    session = arm.start(image, channel_ranges(image.data, axes), OPTIONS)
    budget = image.raw_bytes // 8
    encoded = session.encode(budget)
    assert encoded.met
    assert 0.8 * budget < len(encoded.data) <= budget
    decoded = arm.decode(encoded.data, 1)
    assert decoded.shape == image.data.shape
    assert decoded.dtype == image.data.dtype
    assert psnr(image.data, decoded, axes).pooled > 5
    frequency = encoded.details["frequency"]
    if name == "siren-as-published":
        assert frequency == 30
    else:
        assert frequency != 90
        assert abs(frequency - 90) < 20


def test_the_reference_point_is_lossless():
    (arm,) = find_arms(["zstd"])
    for axes, dtype in (("YX", "uint8"), ("TZCYX", "uint16"), ("ZYX", "float32")):
        image = blobs(axes, dtype)
        data, met, decoded = work(arm, image, 1)
        assert met
        assert len(data) < image.raw_bytes
        np.testing.assert_array_equal(decoded, image.data)


def test_the_best_order_of_frames_is_found():
    """T changes nothing here, Z everything: going through time first saves most."""
    planes = np.random.default_rng(0).integers(0, 4000, (6, 64, 64))
    image = Image(np.stack([planes] * 5).astype(np.uint16), "TZYX")
    (arm,) = find_arms(["hevc"])
    if arm.missing():
        pytest.skip(arm.missing())
    session = arm.start(image, channel_ranges(image.data, "TZYX"), OPTIONS)
    details = session.encode(image.raw_bytes // 12).details
    assert details["variant"]["order"].startswith("ZT")


def test_a_known_variant_is_not_searched_again():
    image = blobs("TZYX")
    (arm,) = find_arms(["sperr"])
    ranges = channel_ranges(image.data, "TZYX")
    known = replace(OPTIONS, variant={"order": "ZT~"})
    encoded = arm.start(image, ranges, known).encode(image.raw_bytes // 20)
    assert encoded.details["variant"] == {"order": "ZT~"}


def test_unknown_arms_are_named():
    with pytest.raises(InifError, match="vvc"):
        find_arms(["hevc", "vvc"])
