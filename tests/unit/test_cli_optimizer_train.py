"""``inif optimizer train``: weights that load, a curve, and going on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inif.optim import learned

Cli = Callable[..., Any]
SMALL = ("--pairs", 1, "--longest", 4, "--judged", 1, "--workers", 1)


@pytest.mark.slow
def test_training_writes_weights_and_goes_on(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "w.npz"
    words = ("optimizer", "train", "-o", out, *SMALL)
    first = cli(*words, "--updates", 1, "--json")
    assert first.code == 0
    assert first.json["update"] == 1
    assert first.json["images"] == 0
    before = learned.load(out)
    second = cli(*words, "--updates", 2, "--json")
    assert second.json["update"] == 2
    assert not np.array_equal(before.step, learned.load(out).step)
    rows = [json.loads(line) for line in (tmp_path / "w.jsonl").read_text().splitlines()]
    assert [row["update"] for row in rows] == [1, 2]
    assert all("gain" in row for row in rows)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["w.jsonl", "w.npz", "w.run"]
    other = cli(*words, "--updates", 3, "--seed", 5, "--json")
    assert other.code == 2
    assert "other settings" in other.json["problem"]


@pytest.mark.parametrize(
    ("words", "name"),
    [(("-o", "w.txt"), "w.txt"), (("-o", "no/such/folder/w.npz"), "folder")],
)
def test_what_cannot_be_written_is_said_first(
    cli: Cli, tmp_path: Path, words: tuple[str, str], name: str
) -> None:
    outcome = cli("optimizer", "train", words[0], tmp_path / words[1], *SMALL, "--json")
    assert outcome.code == 2
    assert name in json.dumps(outcome.json)


def test_a_folder_of_images_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    outcome = cli("optimizer", "train", "-o", tmp_path / "w.npz", "--data", tmp_path / "no", *SMALL)
    assert outcome.code == 2
