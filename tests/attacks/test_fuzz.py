"""A few hundred fuzzed inputs of benchmarks/fuzz.py, which runs ten thousand and more."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from inif.container import open_container

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("inif_fuzz", ROOT / "benchmarks" / "fuzz.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["inif_fuzz"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("seed", "count"), [(1, 100), pytest.param(2, 500, marks=pytest.mark.slow)]
)
def test_fuzzed_files_give_samples_or_one_error(fuzz: ModuleType, seed: int, count: int) -> None:
    golden = ROOT / "tests" / "golden"
    report = fuzz.run(count, seed, golden if golden.is_dir() else None)
    assert report["first_failures"] == []
    assert len(report["rejections"]) > 8


def test_fuzzing_is_repeatable_and_repairs_checksums(fuzz: ModuleType) -> None:
    start = fuzz.seeds(None)
    for data in start:
        assert open_container(data).check_all() == []
        broken = data[:9] + b"\0\0\0\0" + data[13:-1] + b"!"
        assert open_container(fuzz.repair(broken)).check_all() == []
    again = [fuzz.mutate(fuzz.random.Random(5), data) for data in start]
    assert again == [fuzz.mutate(fuzz.random.Random(5), data) for data in start]
