"""The command line ``inif-bench`` as a function, and hypothesis as the tests of inif set it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import hypothesis
import pytest
from click.testing import CliRunner
from typer.main import get_command

from inif_bench.cli import app

hypothesis.settings.register_profile("inif", max_examples=30, deadline=None, derandomize=True)
hypothesis.settings.register_profile("thorough", max_examples=300, deadline=None, derandomize=True)
hypothesis.settings.load_profile("inif")


@dataclass(frozen=True)
class Outcome:
    """What one command line left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        """The JSON object on stdout."""
        body: dict[str, Any] = json.loads(self.stdout)
        return body


@pytest.fixture
def cli() -> Callable[..., Outcome]:
    """Run ``inif-bench`` in this process: ``cli("arms", "--json")``."""

    def run(*words: object) -> Outcome:
        result = CliRunner().invoke(get_command(app), [str(w) for w in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run
