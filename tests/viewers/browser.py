"""Chromium without a screen, with WebGL drawn by the processor: for the pages of viewers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

FLAGS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
WAIT = 180_000  # milliseconds; a machine may be busy


@contextmanager
def chromium(width: int = 1000, height: int = 800) -> Iterator[Any]:
    """A page of playwright in Debian's Chromium; skips the test where either is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=program, args=[*FLAGS, "--no-sandbox"], timeout=WAIT
        )
        try:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(WAIT)
            yield page
        finally:
            browser.close()
