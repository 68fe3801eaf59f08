"""One message per failure: what is wrong, where, what was expected, what was found, what to do."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

import inif
from inif import errors
from inif.errors import InifError, MissingExtraError

FULL = InifError(
    "the axes are not known.",
    file="a.tif",
    field="axes",
    expected="3 letters",
    got="none",
    fix="use --axes",
    rejection="header_field",
)


def test_a_message_names_everything_that_is_known() -> None:
    assert str(FULL) == (
        "the axes are not known; file: a.tif; field: axes; expected: 3 letters; got: none; "
        "fix: use --axes"
    )
    assert str(InifError("no", got=0)) == "no; got: 0"


def test_as_json() -> None:
    body = FULL.to_json()
    assert body["error"] == "InifError"
    assert set(body) == {
        "error", "problem", "file", "field", "expected", "got", "fix", "rejection"
    }  # fmt: skip
    assert InifError("no").to_json() == {"error": "InifError", "problem": "no"}


def test_huge_values_are_cut() -> None:
    assert len(str(InifError("no", got="x" * 10_000))) < 300


def test_one_tree() -> None:
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, Exception)]
    kinds = [k for k in kinds if not issubclass(k, Warning)]
    assert len(kinds) > 5
    assert all(issubclass(k, InifError) for k in kinds)
    for name in ("AxesError", "SelectionError", "BudgetError"):
        assert issubclass(getattr(errors, name), errors.InputError)


def test_errors_are_also_what_python_calls_them() -> None:
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(errors.SelectionError, IndexError)
    error = errors.MissingFileError("there is no such file", file="a.inif", fix="check the path")
    assert isinstance(error, FileNotFoundError)
    assert str(error) == "there is no such file; file: a.inif; fix: check the path"
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), back.to_json()) == (type(error), error.to_json())


@pytest.mark.parametrize("verb", [inif.open, inif.inspect, lambda p: inif.compress(p, axes="YX")])
def test_a_missing_file_is_a_file_not_found(verb: Callable[[str], object], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        verb(str(tmp_path / "none.tif"))


def test_a_missing_extra_says_how_to_get_it() -> None:
    error = MissingExtraError("dask", "dask", need="to_dask")
    assert "pip install 'bioinif[dask]'" in str(error)
    assert "to_dask" in str(error)


def test_errors_survive_a_process_boundary() -> None:
    back = pickle.loads(pickle.dumps(FULL))
    assert type(back) is InifError
    assert back.to_json() == FULL.to_json()
