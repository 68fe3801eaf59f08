"""`inif.verify`: sound files pass, damage is found, other weights are told from rounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import inif
from inif.fields.siren import Siren

KINDS: dict[str, dict[str, Any]] = {
    "one brick": {"axes": "ZYX", "shape": (4, 12, 12)},
    "bricks": {"axes": "ZYX", "shape": (4, 12, 13), "brick": (4, 6, 6), "dtype": "int16"},
    "outputs": {"axes": "CYX", "shape": (3, 12, 13), "brick": (3, 6, 13)},
    "coordinate": {
        "axes": "TCYX",
        "shape": (2, 3, 6, 7),
        "brick": (2, 1, 6, 7),
        "channels": "coordinate",
        "dtype": "float32",
    },
    "constant channel": {
        "axes": "CYX",
        "shape": (2, 6, 7),
        "dtype": "uint8",
        "ranges": [[5, 5], [0, 9]],
    },
}


@pytest.fixture(params=KINDS)
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return KINDS[request.param]


def test_a_sound_file(random_file: Callable[..., bytes], options: dict[str, Any]) -> None:
    facts = inif.verify(random_file(**options))
    bricks = len(inif.open(random_file(**options)).grid)
    assert facts == {
        "ok": True,
        "sections": bricks,
        "bricks": bricks,
        "exact": True,
        "max_deviation": 0.0,
        "problems": [],
    }


def test_other_weights_under_a_right_checksum(
    random_file: Callable[..., bytes], options: dict[str, Any]
) -> None:
    def spoil(brick: int, weights: list[np.ndarray]) -> list[np.ndarray]:
        return [*weights[:-1], weights[-1] + 0.3] if brick == 0 else weights

    facts = inif.verify(random_file(**options, spoil=spoil))
    assert not facts["exact"]
    assert not facts["ok"]
    assert facts["max_deviation"] > 1e-3
    assert len(facts["problems"]) == 1
    assert "brick 0" in facts["problems"][0]


def test_rounding_is_no_damage(
    random_file: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = random_file("ZYX", (4, 40, 40))
    exact = Siren.grid
    monkeypatch.setattr(Siren, "grid", lambda *a: exact(*a) + np.float32(3e-6))
    facts = inif.verify(data)
    assert facts["ok"]
    assert not facts["exact"]
    assert 0 < facts["max_deviation"] < 1e-4

    monkeypatch.setattr(Siren, "grid", lambda *a: exact(*a) + np.float32(3e-3))
    assert not inif.verify(data)["ok"]


def test_every_flipped_byte_of_a_section_is_found(random_file: Callable[..., bytes]) -> None:
    data = random_file("YX", (8, 10), brick=(8, 5), width=4, layers=3)
    with inif.open(data) as file:
        first = min(s.offset for s in file.container.sections)
    for at in range(first, len(data), 7):
        damaged = bytearray(data)
        damaged[at] ^= 0x40
        facts = inif.verify(bytes(damaged))
        assert not facts["ok"]
        assert not facts["exact"]
        assert len(facts["problems"]) == 1


def test_both_damaged_bricks_are_reported(random_file: Callable[..., bytes]) -> None:
    data = bytearray(random_file("YX", (8, 15), brick=(8, 5)))
    with inif.open(bytes(data)) as file:
        for section in list(file.container.sections)[1:]:
            data[section.offset + 3] ^= 1
    facts = inif.verify(bytes(data))
    assert [("brick 1" in p, "brick 2" in p) for p in facts["problems"]] == [
        (True, False),
        (False, True),
    ]
