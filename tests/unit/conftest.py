"""What the tests of `inif serve` share: a folder of files, and a client of a server of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import served_folder


@pytest.fixture
def folder(random_file: Callable[..., bytes], tmp_path: Path) -> Path:
    """See `served_folder`."""
    return served_folder(random_file, tmp_path)


@pytest.fixture
def client(folder: Path) -> Iterator[Any]:
    """It asks the application directly, without a port."""
    from starlette.testclient import TestClient

    from inif.serve import app_of

    with TestClient(app_of([folder])) as made:
        yield made
