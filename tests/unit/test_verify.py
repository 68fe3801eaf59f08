"""`inif.verify`: sound files pass, damage is found, other weights are told from rounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import inif
from inif.container import Section, open_container, pack
from inif.decode.brick import Intensities
from inif.decode.check import digest
from inif.decode.codec import KIND, CodecSpec
from inif.decode.hybrid import HybridBrick
from inif.encode.hybrid import repair
from inif.fields.repair import Head
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
        "unit": "sample values" if options.get("dtype") == "float32" else "counts",
        "samples_off": 0,
        "problems": [],
        "remarks": [],
    }


def test_other_weights_under_a_right_checksum(
    random_file: Callable[..., bytes], options: dict[str, Any]
) -> None:
    def spoil(brick: int, weights: list[np.ndarray]) -> list[np.ndarray]:
        return [*weights[:-1], weights[-1] + 0.3] if brick == 0 else weights

    damaged(inif.verify(random_file(**options, spoil=spoil)), 0)


def damaged(facts: dict[str, Any], *bricks: int) -> None:
    assert not facts["exact"]
    assert not facts["ok"]
    assert facts["max_deviation"] is None
    assert [f"brick {b}" in p for b, p in zip(bricks, facts["problems"], strict=True)]


def changed(data: bytes, *, swap: bool = False, **fields: Any) -> bytes:
    """A file with other header fields, or with its first two bricks in each other's place."""
    with open_container(data) as container:
        header = {**container.header, **fields}
        header = {key: value for key, value in header.items() if value is not None}
        sections = [
            Section(s.kind, container.read(s), s.brick ^ swap if s.brick < 2 else s.brick)
            for s in container.sections
        ]
    return pack(header, sections)


@pytest.mark.parametrize(
    "fields",
    [
        {"range": [[100, 7900]]},
        {"range": [[100, 4001]]},
        {"axes": "TYX"},
        {"axes": "ZXY"},
        {"shape": [12, 4, 12], "brick": [12, 2, 12]},
        {"dtype": "int16"},
        {"brick": [4, 6, 12]},
        {"swap": True},
    ],
)
def test_other_headers_and_places(
    random_file: Callable[..., bytes], fields: dict[str, Any]
) -> None:
    data = random_file("ZYX", (4, 12, 12), brick=(2, 12, 12), width=5)
    facts = inif.verify(changed(data, **fields))
    assert not facts["ok"]
    assert all("brick" in problem for problem in facts["problems"])


def test_other_names_are_no_damage(random_file: Callable[..., bytes]) -> None:
    data = random_file("ZYX", (4, 12, 12), width=5)
    assert inif.verify(changed(data, meta={"name": "other"}, lossy={"psnr": 3.0}))["exact"]
    assert inif.verify(changed(data, brick=None, range=[[100.0, 4000.0]]))["exact"]


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize(("shift", "good"), [(3e-6, True), (3e-3, False)])
def test_rounding_is_told_from_wrong_arithmetic(
    random_file: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
    dtype: str,
    shift: float,
    good: bool,
) -> None:
    data = random_file("ZYX", (4, 40, 40), dtype)
    exact = Siren.grid

    def other(field: Siren, weights: list[np.ndarray], axes: list[np.ndarray]) -> np.ndarray:
        out = exact(field, weights, axes)
        return out + np.float32(shift) if out.dtype == np.float32 else out

    monkeypatch.setattr(Siren, "grid", other)
    facts = inif.verify(data)
    assert (facts["ok"], facts["exact"]) == (good, False)
    assert facts["samples_off"] > 0
    half = 1950 if dtype == "uint16" else 1.5
    assert facts["max_deviation"] == pytest.approx(shift * half, rel=0.5, abs=dtype == "uint16")
    assert ("arithmetic" in str(facts["problems"])) is not good


@pytest.mark.parametrize(
    ("codec", "axes"),
    [
        ("av1", "ZYX"),
        ("jpeg2000", "CYX"),
        pytest.param("av1", "CYX", marks=pytest.mark.slow),
        pytest.param("jpeg2000", "ZYX", marks=pytest.mark.slow),
    ],
)
def test_hybrids(axes: str, codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "_PER_OCTAVE", 0.0)  # a repair, at any price
    grids = np.mgrid[:3, :64, :66]
    noise = np.random.default_rng(0).normal(0, 20, grids[0].shape)
    picture = (900 + 500 * np.sin(grids[1] / 9) * np.cos(grids[2] / 7) + noise).astype(np.uint16)
    file = inif.compress(picture, axes=axes, size=5000, method="hybrid", codec=codec, effort=1)
    data = file.to_bytes()
    assert "repair/1" in file.header["requires"]
    assert inif.verify(data)["exact"]
    ranges = [[0, 4000]] * len(file.header["range"])
    for fields in ({"range": ranges}, {"codec": {"kind": codec, "order": "ZT"}}):
        assert not inif.verify(changed(data, **fields))["ok"]

    exact = Head.residual
    for shift, good in ((1e-4, True), (0.5, False)):
        monkeypatch.setattr(
            Head,
            "residual",
            lambda head, x, by=shift: exact(head, x) + np.float32(by * (x.dtype == np.float32)),
        )
        facts = inif.verify(data)
        assert (facts["ok"], facts["exact"]) == (good, False)
        assert (facts["max_deviation"] is None) is (codec == "jpeg2000")
    monkeypatch.undo()

    with open_container(data) as container:
        section = container.require(KIND, 0)
        whole = container.read(section)
        header = container.header
    for at in range(16, len(whole) - 16, 97):
        forged = bytearray(whole)
        forged[at] ^= 16
        file = pack(header, [Section(section.kind, bytes(forged), 0)])
        try:
            same = np.array_equal(np.asarray(inif.open(file)), np.asarray(inif.open(data)))
        except inif.errors.InifError:
            same = False
        assert same or not inif.verify(file)["ok"]


def test_streams_that_trade_bytes() -> None:
    """The bytes of two streams may not move from one to the other."""
    header = {
        "axes": "CYX",
        "shape": [2, 4, 4],
        "dtype": "uint8",
        "range": [[0, 9]] * 2,
        "field": {},
    }
    spec, intensities = CodecSpec("jpeg2000"), Intensities(np.ones((2, 2)), np.dtype(np.uint8))
    bricks = [
        HybridBrick(spec, streams, "CYX", (2, 4, 4), 0, intensities)
        for streams in ((b"ab", b"c"), (b"a", b"bc"))
    ]
    one, other = (digest(header, 0, brick.inputs()) for brick in bricks)
    assert one != other


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
