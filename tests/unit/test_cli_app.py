"""The program as a whole: exit codes, one message per failure, and what it imports to start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import inif
from inif._version import __version__

COMMANDS = ("compress", "decompress", "info", "verify", "evaluate", "serve", "convert")
HEAVY = ("jax", "equinox", "optax", "scipy", "zarr", "tifffile", "matplotlib", "numpy")

Cli = Callable[..., Any]


def _loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(' '.join(m for m in sys.modules if '.' not in m))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_help_imports_nothing_that_computes() -> None:
    code = (
        "from inif.cli.app import app\n"
        "for words in (['--help'], ['compress', '--help'], ['info', '--help']):\n"
        "    try:\n        app(words)\n    except SystemExit as end:\n        assert end.code == 0"
    )
    assert not _loaded_after(code) & set(HEAVY)


def test_import_inif_loads_no_heavy_library() -> None:
    assert not _loaded_after("import inif") & (set(HEAVY) - {"numpy"})


def test_python_dash_m() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "inif", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"inif {__version__}\n"
    assert done.stderr == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_json_and_quiet(cli: Cli, command: str) -> None:
    outcome = cli(command, "--help")
    assert outcome.code == 0
    assert "--json" in outcome.stdout
    assert "--quiet" in outcome.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("compress",),
        ("compress", "a.tif", "--ratio", "many"),
        ("compress", "a.tif", "--effort", "10"),
        ("compress", "a.tif", "--no-such-option"),
        ("decompress", "a.inif"),
        ("info", "no-such-file.inif"),
        ("verify", "no-such-file.inif"),
        ("evaluate", "no-such-file.tif", "no-such-file.inif"),
        ("compress", "no-such-file.tif"),
        ("decompress", "no-such-file.inif", "-o", "x.npy"),
        ("convert", "no-such-file.pkl", "x.inif"),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_message_and_exit_2(
    cli: Cli, words: tuple[str, ...], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plain = cli(*words)
    assert plain.code == 2
    assert plain.stdout == ""
    assert plain.stderr.startswith("error: ")
    assert plain.stderr.count("\n") == 1

    as_json = cli(*words, "--json")
    assert as_json.code == 2
    assert {"error", "problem"} <= as_json.json.keys()
    assert as_json.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_without_words_it_shows_help(cli: Cli) -> None:
    outcome = cli()
    assert outcome.code == 0
    assert "Usage" in outcome.stdout


def test_an_internal_error_says_so(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(source: str) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(inif, "inspect", broken)
    monkeypatch.delenv("INIF_DEBUG", raising=False)
    plain = cli("info", "x.inif")
    assert plain.code == 1
    assert "RuntimeError: boom" in plain.stderr
    assert "this is a bug" in plain.stderr
    assert "Traceback" not in plain.stderr
    as_json = cli("info", "x.inif", "--json")
    assert as_json.code == 1
    assert as_json.json["error"] == "InternalError"

    monkeypatch.setenv("INIF_DEBUG", "1")
    debug = cli("info", "x.inif", "--json")
    assert debug.json["error"] == "InternalError"
    assert "Traceback" in debug.stderr


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_ctrl_c_is_130(cli: Cli, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]) -> None:
    def interrupted(source: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(inif, "inspect", interrupted)
    outcome = cli("info", "x.inif", *flags)
    assert outcome.code == 130
    if flags:
        assert outcome.json["error"] == "Interrupted"
    else:
        assert outcome.stderr.count("\n") == 1
