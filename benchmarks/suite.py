"""What the tests cost: count, time and processor time of ``make test`` and ``make test-slow``.

python benchmarks/suite.py

Writes results/tests.json; the entry "before" stays as it is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from record import load, save

ROOT = Path(__file__).parents[1]
RUNS = {
    "make test": [],
    "make test-slow": ["-m", "slow or hypothesis", "--hypothesis-profile=thorough"],
}


def main() -> None:
    before = load("tests").get("before", {})
    print(save("tests", {"before": before, **{name: run(more) for name, more in RUNS.items()}}))


def run(more: list[str]) -> dict[str, Any]:
    """One run: what pytest counts, wall-clock and processor seconds, the ten slowest tests."""
    words = ["-m", "pytest", "-n", "2", "--dist", "loadfile", "--durations=10", "-q", *more]
    begin, before = time.monotonic(), os.times()
    done = subprocess.run([sys.executable, *words], cwd=ROOT, text=True, stdout=subprocess.PIPE)
    after, text = os.times(), done.stdout
    user, system = (after[k] - before[k] for k in (2, 3))  # of children
    return {
        "tests": {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped)", text)},
        "seconds": round(time.monotonic() - begin, 1),
        "cpu_seconds": round(user + system, 1),
        "slowest": re.findall(r"^ *([\d.]+s \w+ +tests\S+)", text, re.MULTILINE),
    }


if __name__ == "__main__":
    main()
