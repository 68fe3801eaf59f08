"""The published weights of VeLO: sound files are read, anything else is one clear error."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from inif.errors import InputError, MissingExtraError
from inif.optim import weights

Cli = Callable[..., Any]


def packed(value: np.ndarray, code: int = 1) -> msgpack.ExtType:
    """An array as the reference's files hold it."""
    body = msgpack.packb((value.shape, value.dtype.name, value.tobytes()), use_bin_type=True)
    return msgpack.ExtType(code, body)


def contents() -> dict[str, Any]:
    """A checkpoint's content, whose numbers count up from a small one."""
    params: dict[str, Any] = {}
    for keys, shape in weights.layout().items():
        inner = params
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
        start = np.float32(len(shape) / 8)
        inner[keys[-1]] = packed(start + np.arange(math.prod(shape), dtype="f4").reshape(shape))
    return {"params": params, "gen_id": "a name", "step": 7}


@cache
def sound() -> bytes:
    return bytes(msgpack.packb(contents(), use_bin_type=True, strict_types=True))


def changed(*keys: str, to: Any) -> bytes:
    """The sound file with one entry replaced; None takes it out."""
    body = contents()
    inner = body
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = to
    if to is None:
        del inner[keys[-1]]
    return bytes(msgpack.packb(body, use_bin_type=True, strict_types=True))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INIF_HOME", str(tmp_path / "home"))
    return tmp_path


STEPS = {"int": 0, "array": packed(np.array(3)), "scalar": packed(np.int32(3), code=3)}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_file_as_the_reference_writes_it(tmp_path: Path, step: Any) -> None:
    path = tmp_path / "params"
    path.write_bytes(changed("step", to=step))
    assert 9_282_000 < path.stat().st_size < 9_283_000
    theta = weights.load(path)
    leaves = weights.flatten(theta)
    assert {keys: value.shape for keys, value in leaves.items()} == weights.layout()
    assert {value.dtype for value in leaves.values()} == {np.dtype(np.float32)}
    assert theta["rnn_params"]["linear_1"]["w"][1, 2] == 512 + 2 + 0.25
    assert theta["lstm_init_state"]["cell"][0, -1] == 511.25


W1 = ("params", "ff_mod_stack", "~", "w1")
LONG = msgpack.ExtType(1, msgpack.packb(([256, 4, 4], "float32", b"\0" * 100)))
HUGE = msgpack.ExtType(1, msgpack.packb(([2**23, 2**23, 2**23], "float32", b"")))


@pytest.mark.parametrize(
    ("keys", "to", "said"),
    [
        (W1, None, "params/ff_mod_stack/~/w1"),
        (W1, packed(np.ones((4, 256, 4), "f4")), "got: an array of shape (4, 256, 4)"),
        (W1, packed(np.ones((256, 4, 4), "f8")), "float64"),
        (W1, packed(np.full((256, 4, 4), np.nan, "f4")), "NaN"),
        (W1, packed(np.full((256, 4, 4), np.inf, "f4")), "finite"),
        (W1, packed(np.array(3)), "params/ff_mod_stack/~/w1"),
        (W1, LONG, "MessagePack"),
        (W1, HUGE, "MessagePack"),
        (W1, msgpack.ExtType(1, b"\x93"), "MessagePack"),
        (W1, msgpack.ExtType(1, b""), "MessagePack"),
        (W1, msgpack.ExtType(2, b"\x01"), "extension type 2"),
        (W1, 1.0, "got: float"),
        (W1, {"w": 1}, "params/ff_mod_stack/~/w1"),
        (W1[:2], [1, 2], "params/ff_mod_stack"),
        ((*W1[:3], "w3"), 1, "params/ff_mod_stack/~/w3"),
        (("params", "extra"), {"a": {"b": 1}}, "params/extra/a/b"),
        (("params",), [], "a map"),
        (("gen_id",), None, "gen_id"),
        (("gen_id",), 3, "gen_id"),
        (("step",), "3", "step"),
        (("more",), 3, "more"),
    ],
)
def test_what_is_not_such_a_checkpoint(keys: tuple[str, ...], to: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        weights.loads(changed(*keys, to=to), "the-file")
    error = caught.value
    assert said in str(error)
    assert error.file == "the-file"
    assert all((error.field, error.expected, error.got, error.fix))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94.",  # a pickle
        b"\x91" * 100_000,
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9" + struct.pack(">I", 2**31) + b"\x01",
        b"\x82\xa1a\x01\xa1a\x02",
        b"\x81\x01\x01",
        b"\xd6\xff\x00\x00\x00\x00",
    ],
    ids=lambda data: data[:8].hex(),
)
def test_other_bytes(data: bytes) -> None:
    with pytest.raises(InputError) as caught:
        weights.loads(data, "the-file")
    assert caught.value.file == "the-file"


@pytest.mark.parametrize("share", [0.0001, 0.3, 0.999999])
def test_truncated(share: float) -> None:
    with pytest.raises(InputError, match="MessagePack"):
        weights.loads(sound()[: int(share * len(sound()))])
    with pytest.raises(InputError, match="MessagePack"):
        weights.loads(sound() + b"\0")


def test_flipped_bits_are_refused_or_harmless() -> None:
    """A flip within the numbers cannot be told from other weights; one elsewhere must be."""
    data, rng = sound(), np.random.default_rng(0)
    head = data[:9000]
    places = [head.index(b"hidden"), head.index(b"float32"), head.index(b"\xcd\x02\x00")]
    places += [0, 1, 8, *rng.integers(0, len(data), 4).tolist()]
    refused = 0
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 0x41
        try:
            theta = weights.loads(bytes(flipped))
        except InputError:
            refused += 1
        else:
            assert all(np.isfinite(v).all() for v in weights.flatten(theta).values())
    assert refused >= 6


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        weights.load(tmp_path / "none")
    with pytest.raises(InputError, match="not a file"):
        weights.load(tmp_path)
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(weights.MAX_BYTES + 1)
    monkeypatch.setattr(weights, "loads", lambda *_: pytest.fail("it was read"))
    with pytest.raises(InputError, match="too large") as caught:
        weights.load(big)
    assert caught.value.got == str(weights.MAX_BYTES + 1)


def test_without_msgpack_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "msgpack", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'bioinif\[velo\]'"):
        weights.loads(b"")


def test_add_and_find(folder: Path) -> None:
    assert weights.find("velo") is None
    with pytest.raises(InputError, match="inif optimizer add velo"):
        weights.installed("velo")
    source = folder / "params"
    source.write_bytes(sound())
    target = weights.add("velo", source)
    assert target == folder / "home" / "optimizers" / "velo.msgpack"
    assert weights.find("velo") == target
    assert target.read_bytes() == sound()
    source.write_bytes(sound()[:-1])
    with pytest.raises(InputError):
        weights.add("velo", source)
    assert target.read_bytes() == sound()
    assert weights.flatten(weights.installed("velo")).keys() == weights.layout().keys()
    assert list(target.parent.iterdir()) == [target]
    for call in (lambda: weights.find("adam"), lambda: weights.add("../velo", source)):
        with pytest.raises(InputError, match="expected: velo"):
            call()


def test_a_failed_copy_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    source = folder / "params"
    source.write_bytes(sound())
    monkeypatch.setattr(weights.os, "replace", full)
    with pytest.raises(InputError, match="No space left"):
        weights.add("velo", source)
    assert weights.find("velo") is None
    assert list((folder / "home" / "optimizers").iterdir()) == []


def test_the_folder_of_each_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INIF_HOME", "here")
    assert weights.home() == Path("here")
    monkeypatch.delenv("INIF_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(weights.sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert weights.home() == tmp_path / "data" / "inif"
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_DATA_HOME", ignored)
        assert weights.home() == tmp_path / ".local" / "share" / "inif"
    monkeypatch.setattr(weights.sys, "platform", "darwin")
    assert weights.home() == tmp_path / "Library" / "Application Support" / "inif"
    monkeypatch.setattr(weights.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert weights.home() == tmp_path / "local" / "inif"
    monkeypatch.delenv("LOCALAPPDATA")
    assert weights.home() == tmp_path / "AppData" / "Local" / "inif"


def test_the_command_lists_and_adds(cli: Cli, folder: Path) -> None:
    def velo() -> dict[str, Any]:
        found = {
            body["name"]: body for body in cli("optimizer", "list", "--json").json["optimizers"]
        }
        assert found["adam"] == {
            "name": "adam",
            "learning_rate": 1e-3,
            "default": False,
            "ready": True,
        }
        assert [body["default"] for body in found.values()].count(True) == 1
        return dict(found["velo"])

    assert velo()["ready"] is False
    plain = cli("optimizer", "list")
    assert plain.code == 0
    assert "inif optimizer add velo" in " ".join(plain.stdout.split())
    assert "(default)" in plain.stdout
    assert cli("optimizer", "list", "--quiet").stdout == ""

    source = folder / "params"
    source.write_bytes(sound())
    target = folder / "home" / "optimizers" / "velo.msgpack"
    body = cli("optimizer", "add", "velo", source, "--json").json
    assert body == {"name": "velo", "file": str(target), "bytes": len(sound())}
    assert velo() == {
        "name": "velo",
        "learning_rate": None,
        "default": False,
        "ready": True,
        "weights": str(target),
    }
    again = cli("optimizer", "add", "velo", source)
    assert (again.code, again.stdout, again.stderr.count("\n")) == (0, "", 1)
    quiet = cli("optimizer", "add", "velo", source, "--quiet")
    assert (quiet.code, quiet.stdout, quiet.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "words",
    [("add",), ("add", "velo"), ("add", "velo", "no-such-file"), ("add", "adam", "x"), ("x",)],
    ids=" ".join,
)
def test_a_wrong_command_is_one_message_and_exit_2(
    cli: Cli, folder: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    plain = cli("optimizer", *words)
    assert (plain.code, plain.stdout) == (2, "")
    assert plain.stderr.startswith("error: ")
    assert plain.stderr.count("\n") == 1
    assert {"error", "problem"} <= cli("optimizer", *words, "--json").json.keys()
    assert list(folder.iterdir()) == []
