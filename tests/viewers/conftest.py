"""Tests with real viewers, which are heavy: left out of `make test`, run by `make test-viewers`.

A test whose viewer is not installed is skipped, and says so. `setup.sh` installs them all.
"""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def display() -> None:
    """A screen for windows that draw."""
    if not os.environ.get("DISPLAY"):
        pytest.skip("there is no screen; xvfb-run gives a virtual one")
