"""The benchmark depends on inif, never the reverse, and makes files only as users do."""

from __future__ import annotations

import ast
from pathlib import Path

import inif
import inif_bench


def imported(package: Path) -> set[str]:
    """Names of all modules that a package's files import, anywhere in them."""
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_inif_knows_nothing_of_its_benchmark():
    names = imported(Path(inif.__file__).parent)
    assert "inif.errors" in names
    assert not [name for name in names if name.startswith("inif_bench")]


def test_the_benchmark_encodes_as_users_do():
    names = imported(Path(inif_bench.__file__).parent)
    assert "inif.codecs" in names
    assert not [name for name in names if name.startswith("inif.encode")]
