"""The published page says what the committed results say."""

from __future__ import annotations

from pathlib import Path

import pytest

from inif_bench.report import write_report
from inif_bench.store import load_all

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "bench"

pytestmark = pytest.mark.skipif(not RESULTS.is_dir(), reason="no results in this copy")


def test_the_documentation_comes_from_the_results():
    write_report(RESULTS, ROOT / "docs", check=True)


def test_the_page_can_be_read_in_a_few_minutes():
    assert len((ROOT / "docs" / "benchmark.md").read_text("utf-8").split()) <= 1500


def test_every_figure_of_the_page_is_there():
    text = (ROOT / "docs" / "benchmark.md").read_text("utf-8")
    names = {part.split(")")[0] for part in text.split("](figures/")[1:]}
    assert names
    assert names <= {p.name for p in (ROOT / "docs" / "figures").glob("*.png")}


def test_results_name_no_folder_of_a_machine():
    for record in load_all(RESULTS):
        assert "/" not in record.run["command"]
