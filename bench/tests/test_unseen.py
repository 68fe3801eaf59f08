"""The benchmark judges a development image by the network that did not learn from it."""

from __future__ import annotations

import numpy as np
import pytest

from inif.fields.repair import load_network, network_of
from inif_bench import unseen


def test_known_by_samples_not_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.arange(24, dtype=np.uint16).reshape(4, 6)
    assert unseen.unseen(data) == "a"
    known = {"a2": {"some image": unseen.samples_digest(data)}}
    monkeypatch.setattr(unseen, "LEFT_OUT", known)
    assert unseen.unseen(data) == "a2"
    assert unseen.unseen(np.asfortranarray(data)) == "a2"
    assert unseen.unseen(data + np.uint16(1)) == "a"


def test_every_network_leaves_images_out() -> None:
    digests = [digest for images in unseen.LEFT_OUT.values() for digest in images.values()]
    assert len(set(digests)) == len(digests) == 16
    assert {len(digest) for digest in digests} == {64}
    networks = [load_network(name) for name in ("a", *unseen.LEFT_OUT)]
    assert len({network.w0.tobytes() for network in networks}) == 5


def test_files_can_name_them() -> None:
    for name in ("a", *unseen.LEFT_OUT):
        assert network_of({"kind": "repair", "network": name}, file=None) == name
