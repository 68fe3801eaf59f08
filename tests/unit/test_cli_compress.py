"""``inif compress``: targets, names, what it refuses, what it reports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inif
from inif.image import Image

Cli = Callable[..., Any]
QUICK = ("--axes", "ZYX", "--effort", "1")


@pytest.fixture
def source(stack: Image, tmp_path: Path) -> Path:
    """The small stack as ``.npy``, alone in a folder of its own."""
    path = tmp_path / "stack.npy"
    np.save(path, stack.data)
    return path


def test_the_json_has_what_scripts_need(cli: Cli, source: Path) -> None:
    body = cli("compress", source, "--ratio", "4", *QUICK, "--json").json
    target = source.with_suffix(".inif")
    assert body["file"] == str(target)
    assert body["raw_bytes"] == 6 * 24 * 20 * 2
    assert body["file_bytes"] == target.stat().st_size
    assert body["ratio"] == pytest.approx(body["raw_bytes"] / body["file_bytes"])
    assert body["target_ratio"] == 4
    assert 4 <= body["ratio"] <= 4.04
    assert (body["method"], body["codec"]) in (("latent", None), ("hybrid", "av1"))
    assert body["auto"] == "trial"
    assert body["seconds"] > 0
    assert body["psnr"] > 10
    assert sorted(p.name for p in source.parent.iterdir()) == ["stack.inif", "stack.npy"]


def test_a_size_is_an_upper_bound(cli: Cli, source: Path) -> None:
    out = source.parent / "by-size.inif"
    outcome = cli("compress", source, "-o", out, "--size", "1.5kB", *QUICK)
    assert outcome.code == 0
    assert 1500 / 1.01 <= out.stat().st_size <= 1500
    assert "by-size.inif" in "".join(outcome.stdout.split())  # long paths are folded


def test_quiet_prints_nothing(cli: Cli, source: Path) -> None:
    outcome = cli("compress", source, "--ratio", "4", *QUICK, "--quiet")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "", "")


def test_the_same_seed_gives_the_same_file(cli: Cli, source: Path) -> None:
    out = source.with_suffix(".inif")
    assert cli("compress", source, "--ratio", "4", *QUICK).code == 0
    before = out.read_bytes()
    assert cli("compress", source, "--ratio", "4", *QUICK, "--force").code == 0
    assert out.read_bytes() == before  # same seed, same machine


def test_an_unknown_guide_names_the_known(cli: Cli, source: Path) -> None:
    outcome = cli("compress", source, *QUICK, "--guide", "no-such", "--json")
    assert outcome.code == 2
    assert "filaments" in outcome.json["expected"]


@pytest.mark.slow
def test_a_guide_that_sees_nothing_is_said(cli: Cli, source: Path, stack: Image) -> None:
    mask = source.parent / "mask.npy"
    np.save(mask, np.zeros(stack.data.shape, np.uint8))
    outcome = cli("compress", source, *QUICK, "--ratio", "4", "--guide", f"mask:{mask}")
    assert outcome.code == 0
    assert "unguided" in outcome.stderr
    assert "guided by" not in outcome.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("--ratio", "4", "--psnr", "40"),
        ("--ratio", "4", "--size", "1kB"),
        ("--ratio", "0"),
        ("--ratio", "-4"),
        ("--ratio", "nan"),
        ("--ratio", "1e9"),
        ("--psnr", "nan"),
        ("--size", "three"),
        ("--time-limit", "0"),
        ("--time-limit", "nan"),
        ("--optimizer", "no-such"),
        ("--axes", "YX"),
        ("--series", "7"),
    ],
    ids=" ".join,
)
def test_bad_options_leave_nothing(cli: Cli, source: Path, words: tuple[str, ...]) -> None:
    outcome = cli("compress", source, *QUICK, *words)
    assert outcome.code == 2
    assert outcome.stderr.count("\n") == 1
    assert [p.name for p in source.parent.iterdir()] == ["stack.npy"]


def test_axes_are_never_guessed(cli: Cli, source: Path) -> None:
    outcome = cli("compress", source, "--json")
    assert outcome.code == 2
    assert outcome.json["error"] == "AxesError"
    assert "--axes" in outcome.json["fix"]


def test_the_options_reach_the_encoder(
    cli: Cli, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def fake(image: Any, **options: Any) -> None:
        seen.update(options, shape=image.shape, axes=image.axes)
        raise KeyboardInterrupt

    monkeypatch.setattr(inif, "compress", fake)
    words = ("--psnr", "41.5", "--effort", "7", "--optimizer", "muon", "--seed", "3")
    outcome = cli(
        "compress", source, "--axes", "zyx", *words, "--time-limit", "9", "--keep-partial"
    )
    assert outcome.code == 130
    assert {k: seen[k] for k in ("psnr", "effort", "optimizer", "seed")} == {
        "psnr": 41.5,
        "effort": 7,
        "optimizer": "muon",
        "seed": 3,
    }
    assert seen["axes"] == "ZYX"
    assert (seen["time_limit"], seen["keep_partial"], seen["method"]) == (9, True, "auto")
    assert seen["out"] == source.with_suffix(".inif")
    assert "ratio" not in seen
    assert "size" not in seen


def test_the_default_target_is_128(cli: Cli, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def fake(image: Any, **options: Any) -> None:
        seen.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(inif, "compress", fake)
    cli("compress", source, "--axes", "ZYX")
    assert seen["ratio"] == 128
    assert not {"size", "psnr"} & seen.keys()
