"""The rooms of the house: no circle of imports, and no room that imports one above it.

What is read is the source, so that imports within functions count like all others; those under
`TYPE_CHECKING` never run and do not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import inif

ROOT = Path(inif.__file__).parent

ROOMS = (
    ("_version", "errors"),
    ("axes", "coding", "config", "fields", "outliers", "outputs", "web"),
    ("bricks", "metadata", "progress", "samples"),
    ("image",),
    ("codecs", "container", "frames", "labels", "latent", "optim", "perceptual"),
    ("io", "legacy"),
    ("decode",),
    ("metrics",),
    ("guidance",),
    ("encode",),
    ("xarray", "zarr"),
    ("serve",),
    ("scale",),
    ("api", "view"),
    ("many",),
    ("inif",),
    ("cli", "napari"),
    ("__main__",),
)
"""From the lowest floor up. A room imports itself and rooms of lower floors; "inif" is the package
itself."""


@cache
def imports() -> dict[str, frozenset[str]]:
    """Of every module of inif the modules of inif that it imports, anywhere in it."""
    files = {_name(path): path for path in ROOT.rglob("*.py")}
    found = {}
    for name, path in files.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        taken = set()
        for module, names in _taken(ast.parse(path.read_text("utf-8")), package):
            each = {f"{module}.{n}" for n in names}
            taken |= each & files.keys()
            if not names or each - files.keys():
                taken.add(module)
        found[name] = frozenset(taken & files.keys() - {name})
    return found


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _taken(node: ast.AST, package: str) -> Iterator[tuple[str, list[str]]]:
    """Modules and the names that are imported from them; of ``import a.b`` there are none."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for child in node.orelse:
            yield from _taken(child, package)
        return
    if isinstance(node, ast.Import):
        yield from ((alias.name, []) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: 1 - node.level or None] if node.level else []
        module = ".".join([*above, *filter(None, [node.module])])
        yield module, [alias.name for alias in node.names]
    for child in ast.iter_child_nodes(node):
        yield from _taken(child, package)


def circles(graph: dict[str, frozenset[str]]) -> list[set[str]]:
    """Sets of modules each of which is reached from each other one of its set."""
    reached = {name: _reached(graph, name) for name in graph}
    sets = {frozenset(m for m in reached[n] if n in reached[m]) for n in graph if n in reached[n]}
    return [set(s) for s in sets]


def _reached(graph: dict[str, frozenset[str]], start: str) -> set[str]:
    seen: set[str] = set()
    rest = list(graph[start])
    while rest:
        name = rest.pop()
        if name not in seen:
            seen.add(name)
            rest += graph[name]
    return seen


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def test_circles_are_found() -> None:
    graph = {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("b"), "d": frozenset("a")}
    assert circles(graph) == [{"b", "c"}]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import inif.a.b", [("inif.a.b", [])]),
        ("def f():\n    from inif.a import b, c", [("inif.a", ["b", "c"])]),
        ("from . import b", [("inif.a", ["b"])]),
        ("from ..c import d", [("inif.c", ["d"])]),
        ("if TYPE_CHECKING:\n    import inif.a", []),
    ],
)
def test_imports_are_found(source: str, expected: list[tuple[str, list[str]]]) -> None:
    assert list(_taken(ast.parse(source), "inif.a")) == expected


def test_no_circle_of_imports() -> None:
    assert [sorted(c) for c in circles(imports())] == []


def test_every_room_stands_on_a_floor() -> None:
    floors = [room for floor in ROOMS for room in floor]
    assert sorted(floors) == sorted({room_of(name) for name in imports()})


def test_no_room_imports_one_above_it() -> None:
    floor_of = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms}
    wrong = [
        f"{name} imports {other}"
        for name, others in imports().items()
        for other in sorted(others)
        if room_of(name) != room_of(other) and floor_of[room_of(name)] <= floor_of[room_of(other)]
    ]
    assert wrong == []
