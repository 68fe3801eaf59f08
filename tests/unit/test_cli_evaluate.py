"""``inif evaluate`` and ``inif convert``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]

PROMISED = {
    "raw_bytes",
    "file_bytes",
    "ratio",
    "bits_per_voxel",
    "psnr",
    "psnr_range",
    "ssim",
    "nrmse",
    "max_error",
    "worst_slice",
}


def test_the_json_has_what_scripts_need(cli: Cli, compressed: Any) -> None:
    outcome = cli("evaluate", compressed.image, compressed.file, "--axes", "ZYX", "--json")
    assert outcome.code == 0
    assert outcome.json.keys() >= PROMISED
    assert outcome.json["raw_bytes"] == 6 * 24 * 20 * 2


def test_the_text_names_psnr_and_its_range(cli: Cli, compressed: Any) -> None:
    outcome = cli("evaluate", compressed.image, compressed.file, "--axes", "ZYX")
    assert outcome.code == 0
    assert "PSNR" in outcome.stdout
    assert "range" in outcome.stdout


def test_figure_and_report(cli: Cli, compressed: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figure, report = tmp_path / "f.png", tmp_path / "r.html"
    outcome = cli(
        *("evaluate", compressed.image, compressed.file, "--axes", "ZYX", "--json"),
        *("--figure", figure, "--report", report),
    )
    assert outcome.code == 0
    assert outcome.json["psnr"]
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert "<html" in report.read_text(encoding="utf-8").lower()


def test_another_image_is_refused(cli: Cli, compressed: Any, tmp_path: Path) -> None:
    import numpy as np

    np.save(tmp_path / "other.npy", np.zeros((6, 24, 21), np.uint16))
    outcome = cli("evaluate", tmp_path / "other.npy", compressed.file, "--axes", "ZYX")
    assert outcome.code == 2
    assert outcome.stderr.count("\n") == 1


def test_convert_runs_no_code_from_a_pickle(cli: Cli, tmp_path: Path) -> None:
    # A protocol-0 pickle of os.system("touch <marker>"): loading it with `pickle` would run it.
    marker, legacy = tmp_path / "marker", tmp_path / "evil.pkl"
    legacy.write_bytes(f"cos\nsystem\n(S'touch {marker}'\ntR.".encode())
    outcome = cli("convert", legacy, tmp_path / "out.inif", "--json")
    assert outcome.code == 2
    assert {"error", "problem"} <= outcome.json.keys()
    assert [p.name for p in tmp_path.iterdir()] == ["evil.pkl"]


def test_convert_takes_one_target(cli: Cli, tmp_path: Path) -> None:
    legacy = tmp_path / "x.pkl"
    legacy.write_bytes(b".")
    outcome = cli("convert", legacy, tmp_path / "x.inif", "--psnr", "50", "--size", "9kB")
    assert outcome.code == 2
    assert "--psnr --size" in outcome.stderr
