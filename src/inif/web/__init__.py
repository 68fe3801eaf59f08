"""Files behind http:// and https://, read by parts.

What a server says is not believed: not the length, not which part it sends, not that it knows parts
at all. One that does not is read once, whole, to a temporary file, up to a limit, and that is said.
Messages show no user, password or query of a URL, nor a text of the server's but its status.
"""

from __future__ import annotations

import re

_URL = re.compile(r"https?://", re.IGNORECASE)


def is_web(url: str) -> bool:
    """Whether this is a URL that this module reads."""
    return bool(_URL.match(url))


def public(text: str) -> str:
    """The text with user, password and query of each URL in it taken out: they hold secrets."""
    return re.sub(r"(://)(?:[^/@\s]*@)?([^?\s'\")]*)(?:\?[^\s'\")]*)?", r"\1\2", text)
