"""Files that hold several images: one is taken, and the user is told."""

from __future__ import annotations

from inif.io.common import several_images


def test_the_sentence() -> None:
    assert several_images(3, 1, "position 1") == (
        "this file holds 3 images, number 1 (“position 1”) was taken; --series N takes another"
    )
    assert "number 0 was taken" in several_images(2, 0)
    long = several_images(2, 0, "a\nb\x00" + 500 * "c")
    assert long.isprintable()
    assert len(long) < 160
