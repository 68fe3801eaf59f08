"""How large the house is: lines of each room, and constants of `encode` and `codecs`.

A constant is a number that a module binds to a name in capitals, or one of several in a tuple, a
list, a dictionary or a call that it binds so.

    python benchmarks/house.py [SRC] [--label NAME]
"""

from __future__ import annotations

import argparse
import ast
from collections import Counter
from pathlib import Path

from record import save

ROOT = Path(__file__).parent.parent / "src" / "inif"


def numbers(tree: ast.Module) -> int:
    """Numbers that a module names as constants."""
    count = 0
    for node in tree.body:
        if isinstance(node, ast.Assign):
            names = [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        else:
            continue
        if not all(name.strip("_").isupper() for name in names) or node.value is None:
            continue
        found = [
            n
            for n in ast.walk(node.value)
            if isinstance(n, ast.Constant) and type(n.value) in (int, float)
        ]
        count += len(found)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("src", nargs="?", type=Path, default=ROOT)
    parser.add_argument("--label", default="now")
    options = parser.parse_args()
    lines: Counter[str] = Counter()
    constants: Counter[str] = Counter()
    longest = ("", 0)
    for path in sorted(options.src.rglob("*.py")):
        room = path.relative_to(options.src).parts[0]
        text = path.read_text("utf-8")
        count = text.count("\n")
        lines[room] += count
        longest = max(longest, (str(path.relative_to(options.src)), count), key=lambda p: p[1])
        if room in ("encode", "codecs", "priors"):
            constants[room] += numbers(ast.parse(text))
    total = sum(lines.values())
    print(f"{total} lines; constants {dict(constants)}; longest {longest}")
    for room, count in lines.most_common():
        print(f"{count:7d} {room}")
    save(
        f"house_{options.label}",
        {"lines": total, "rooms": dict(lines.most_common()), "constants": dict(constants)},
    )


if __name__ == "__main__":
    main()
