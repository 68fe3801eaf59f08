"""Scores against a clean image: by hand, and as scikit-image computes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from inif.errors import InputError
from inif.metrics import evaluate
from inif.metrics.tasks import CleanReference, CleanTask
from inif.metrics.tasks.clean import line

pytestmark = pytest.mark.numerical

Cli = Callable[..., Any]


def scene(*shape: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A clean exposure, a noisy one at another scale and offset, and that one denoised."""
    rng = np.random.default_rng(seed)
    clean = ndimage.gaussian_filter(rng.normal(size=shape), 3)
    clean = 1000 + 20000 * (clean - clean.min())
    noisy = 0.1 * clean + 50 + rng.normal(0, 60, shape)
    smooth = [0] * (len(shape) - 2) + [1.5, 1.5]
    decoded = ndimage.gaussian_filter(noisy, smooth)
    return clean.astype(np.uint16), noisy.astype(np.uint16), decoded.astype(np.uint16)


def test_a_line_is_polyfits() -> None:
    clean, noisy, _ = scene(40, 50)
    a, b = line(noisy, clean)
    expected = np.polyfit(noisy.ravel().astype(float), clean.ravel().astype(float), 1)
    np.testing.assert_allclose((a, b), expected, rtol=1e-6)
    assert line(noisy, noisy) == (1, 0)
    assert line(np.full((4, 4), 7), clean[:4, :4]) == (0, pytest.approx(clean[:4, :4].mean()))


def test_the_figures_are_scikit_images() -> None:
    clean, noisy, decoded = scene(60, 70)
    got = evaluate(noisy, decoded, axes="YX", tasks=CleanTask("clean", CleanReference(clean, "YX")))
    figures = got.tasks[0].channels[0]
    span = float(np.ptp(clean))
    values = []
    for image in (decoded, noisy):
        a, b = np.polyfit(image.ravel().astype(float), clean.ravel().astype(float), 1)
        pair = clean.astype(float), a * image + b
        values.append(
            (
                peak_signal_noise_ratio(*pair, data_range=span),
                structural_similarity(*pair, data_range=span),
            )
        )
    names = ("psnr_to_clean", "ssim_to_clean")
    for name, ours, theirs in zip(names, *values, strict=True):
        assert figures[name] == pytest.approx(ours, rel=1e-9)
        assert figures[f"original_{name}"] == pytest.approx(theirs, rel=1e-9)
    assert figures.score == figures["ssim_to_clean"]
    assert figures["gain_db"] == pytest.approx(values[0][0] - values[1][0])
    assert (figures["gain_db"] or 0) > 3


@settings(max_examples=10)
@given(st.floats(0.01, 50), st.floats(-500, 500))
def test_scale_and_offset_do_not_matter(scale: float, offset: float) -> None:
    clean, noisy, decoded = scene(24, 28)
    one, two = (
        evaluate(
            (k * noisy + c).astype(np.float32),
            (k * decoded + c).astype(np.float32),
            axes="YX",
            tasks=CleanTask("clean", CleanReference(clean, "YX")),
        )
        for k, c in ((1.0, 0.0), (scale, offset))
    )
    for key in ("psnr_to_clean", "original_psnr_to_clean", "ssim_to_clean", "gain_db"):
        ours = two.tasks[0].channels[0][key]
        assert ours == pytest.approx(one.tasks[0].channels[0][key], abs=1e-3)


def test_channels_and_times_have_scales_of_their_own() -> None:
    clean, noisy, _ = scene(2, 3, 4, 20, 24)  # T C Z Y X
    scale = np.arange(1, 7).reshape(2, 3, 1, 1, 1)
    decoded = (clean.astype(np.float32) * scale + 5 * scale).astype(np.float32)
    original = noisy.astype(np.float32)
    task = CleanTask("clean", CleanReference(clean, "TCZYX"))
    got = evaluate(original, decoded, axes="TCZYX", tasks=task).tasks[0]
    assert [c.score for c in got.channels] == pytest.approx([1, 1, 1], abs=1e-6)
    assert all((c["psnr_to_clean"] or np.inf) > 90 for c in got.channels)


def test_an_exact_decode_of_the_clean_image() -> None:
    clean, noisy, _ = scene(24, 28)
    got = evaluate(noisy, clean, axes="YX", tasks=CleanTask("clean", CleanReference(clean, "YX")))
    body = got.to_json()["tasks"][0]["channels"][0]
    assert body["psnr_to_clean"] == {"psnr": None, "lossless": True}
    assert (body["gain_db"], body["score"]) == (None, 1)


def test_files(cli: Cli, compressed: Any, tmp_path: Path) -> None:
    image = np.load(compressed.image)
    path = tmp_path / "a,b=clean.tif"
    tifffile.imwrite(path, image, metadata={"axes": "ZYX"}, ome=True)
    np.save(tmp_path / "clean.npy", image)
    words = ("evaluate", compressed.image, compressed.file, "--axes", "ZYX", "--json")
    scores = []
    for file in (path, tmp_path / "clean.npy"):
        outcome = cli(*words, "--task", f"clean:{file}")
        assert outcome.code == 0, outcome.stderr
        scores.append(outcome.json["tasks"][0]["channels"][0])
    assert scores[0] == scores[1]
    assert scores[0]["original_psnr_to_clean"]["lossless"]
    assert cli(*words, "--task", f"clean:{tmp_path / 'no.tif'}").code == 2


@pytest.mark.parametrize(
    ("data", "axes", "field"),
    [
        (np.zeros((20, 25)), "YX", "shape"),
        (np.zeros((24, 20)), "XY", "axes"),
        (np.zeros((1, 20, 24)), "ZYX", "axes"),
        (np.full((20, 24), np.nan), "YX", "samples"),
    ],
)
def test_clean_images_that_do_not_fit(data: np.ndarray, axes: str, field: str) -> None:
    image = np.zeros((20, 24), np.uint8)
    with pytest.raises(InputError, match="clean image") as caught:
        evaluate(image, image, axes="YX", tasks=CleanTask("clean", CleanReference(data, axes)))
    assert caught.value.field == field
