"""The benchmark judges a development image by the network that did not learn from it."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest

from inif.bench import unseen
from inif.fields.conditional import STARTS


def test_known_by_samples_not_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.arange(24, dtype=np.uint16).reshape(4, 6)
    assert unseen.unseen(data) == STARTS[0]
    known = json.dumps({"a2": {"some image": unseen.samples_digest(data)}})

    class Folder:
        def __truediv__(self, name: str) -> Folder:
            return self

        def read_text(self, encoding: str) -> str:
            return known

    monkeypatch.setattr(unseen, "files", lambda _: Folder())
    assert unseen.unseen(data) == "a2"
    assert unseen.unseen(np.asfortranarray(data)) == "a2"
    assert unseen.unseen(data + np.uint16(1)) == STARTS[0]


def test_every_start_but_the_first_leaves_images_out() -> None:
    left_out = json.loads((files("inif.bench") / unseen.LEFT_OUT).read_text("utf-8"))
    assert tuple(left_out) == STARTS[1:]
    digests = [digest for images in left_out.values() for digest in images.values()]
    assert len(set(digests)) == len(digests) == 16
    assert {len(digest) for digest in digests} == {64}
