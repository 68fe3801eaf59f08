"""A page that would load something from the network fails the build (links to follow are fine)."""

from __future__ import annotations

import logging
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.pages import Page

_LOADED = re.compile(
    r"<(?:script|img|link|iframe|source|video|audio)\b[^>]*\b(?:src|srcset|href)=[\"']?"
    r"((?:https?:)?//[^\"'\s>]+)"
)
_log = logging.getLogger("mkdocs.no_network")


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:
    """Warn of each address; a warning fails `make docs`."""
    for address in _LOADED.findall(output):
        _log.warning("%s loads %s: bring it along in docs/", page.file.src_uri, address)
    return output
