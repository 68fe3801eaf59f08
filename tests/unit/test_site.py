"""docs/which-ratio.md shows what `benchmarks/which_ratio.py` found; every page has its place."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_the_table_of_ratios_is_that_of_the_results() -> None:
    page = (DOCS / "which-ratio.md").read_text("utf-8")
    results = json.loads((ROOT / "benchmarks/results/which_ratio.json").read_text("utf-8"))
    for row in results["files"]:
        cells = (
            f"{row['ratio']} : 1",
            f"{row['file_bytes']:,}",
            f"{row['psnr']:.1f}",
            f"{row['ssim']:.2f}",
            f"{row['finest_um']:.2f}",
            f"{row['blocks_failed']:,}",
            f"{row['spots_lost']:,}",
            f"{row['objects_mean_iou']:.2f}",
        )
        assert f"| {' | '.join(cells)} |" in page


def test_every_page_is_in_the_navigation() -> None:
    """`make docs` says so too, in an environment that has MkDocs."""
    config = (ROOT / "mkdocs.yml").read_text("utf-8")
    for page in DOCS.rglob("*.md"):
        assert f" {page.relative_to(DOCS).as_posix()}\n" in config
