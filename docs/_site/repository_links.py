"""What pages link to outside docs/, such as figures in JSON, comes with the site.

The pages are read in the repository too, so their links are those of the repository: this puts the
files that they name into the site, below `repository/`, and turns the links there. MkDocs then
checks them as it does all others. A link to a page such as README.md leads to its text.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

PLACE = "repository"
_LINK = re.compile(r"(\]\(\s*)((?:\.\./)+[^)#\s]+)")


def _outside(uri: str, link: str) -> str | None:
    """The path in the repository that a link of a page means, if it lies outside docs/."""
    target = normpath(f"docs/{PurePosixPath(uri).parent}/{link}")
    return None if target.startswith(("docs/", "../")) else target


def _name(target: str) -> str:
    # Markdown would become a page, whose own links are not the site's.
    return f"{PLACE}/{target}.txt" if target.endswith(".md") else f"{PLACE}/{target}"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the files that pages link to."""
    root = Path(config.docs_dir).parent
    for page in files.documentation_pages():
        for _, link in _LINK.findall(page.content_string):
            target = _outside(page.src_uri, link)
            if target is None or not (root / target).is_file():
                continue  # MkDocs reports the link
            if files.get_file_from_path(_name(target)) is None:
                path = str(root / target)
                new = File.generated(
                    config, _name(target), abs_src_path=path, inclusion=InclusionLevel.INCLUDED
                )
                files.append(new)
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links to them."""
    uri = page.file.src_uri

    def turned(match: re.Match[str]) -> str:
        target = _outside(uri, match[2])
        if target is None or files.get_file_from_path(_name(target)) is None:
            return match[0]
        return match[1] + relpath(_name(target), str(PurePosixPath(uri).parent))

    return _LINK.sub(turned, markdown)
