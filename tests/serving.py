"""A folder of files to be served, sound and unsound, shown and not shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from inif.image import Channel, Metadata


def served_folder(random_file: Callable[..., bytes], tmp_path: Path) -> Path:
    """stack.inif (ZYX), sub/two channels.inif (CYX, in colours), bad.inif, and others."""
    here = tmp_path / "served"
    (here / "sub").mkdir(parents=True)
    (here / ".hidden").mkdir()
    stack = random_file("ZYX", (4, 20, 24), meta=Metadata(name="stack"))
    colours = Metadata(channels=(Channel("DNA", "#00FF00"), Channel("<b>&'\"")))
    (here / "stack.inif").write_bytes(stack)
    (here / "sub" / "two channels.inif").write_bytes(random_file("CYX", (2, 9, 8), meta=colours))
    (here / "bad.inif").write_bytes(stack[:-40])
    (here / "notes.txt").write_text("not served")
    (here / ".hidden" / "a.inif").write_bytes(stack)
    (tmp_path / "secret.inif").write_bytes(stack)
    return here
