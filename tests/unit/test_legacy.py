"""`inif convert`: the layout of the authors' pickles, and pickles that try to do something else.

The pickles are made here, by a pickler that writes the names of haiku, JAX and an old NumPy.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inif
from inif.encode.siren.convert import convert
from inif.errors import InifError, InputError
from inif.legacy import read_legacy

SHAPE = (6, 10, 12)
WIDTH = 8
LOW, HIGH = 1000, 61000
FREQUENCY = np.float32(-19.5)
TYPES = {"float32": "f4", "uint32": "u4", "uint16": "u2", "float64": "f8", "int16": "i2"}


class Name:
    """Pickles as a name, as a class or a function does."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self) -> None:
        """Pickle asks only that it could be called."""


FLAT = Name("haiku._src.data_structures", "FlatMapping")
JAX_ARRAY = Name("jax._src.array", "_reconstruct_array")
RECONSTRUCT = Name("numpy.core.multiarray", "_reconstruct")
SCALAR = Name("numpy.core.multiarray", "scalar")
NDARRAY = Name("numpy", "ndarray")
DTYPE = Name("numpy", "dtype")


class Reduced:
    """Pickles as a call with an optional state."""

    def __init__(self, function: Any, *args: Any, state: Any = None) -> None:
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self) -> Any:
        return self.reduced


def dtype_of(code: str) -> Reduced:
    return Reduced(DTYPE, code, False, True, state=(3, "<", None, None, None, -1, -1, 0))


def array(values: Any, *, code: str = "", shape: Any = None) -> Reduced:
    """A jax array, as the authors' program pickled it."""
    values = np.asarray(values)
    code = code or TYPES[values.dtype.name]
    shape = values.shape if shape is None else shape
    state = (1, shape, dtype_of(code), False, values.tobytes())
    facts = {"weak_type": False, "named_shape": {}}
    return Reduced(JAX_ARRAY, RECONSTRUCT, (NDARRAY, (0,), b"b"), state, facts)


def scalar(value: int) -> Reduced:
    return Reduced(SCALAR, dtype_of("u2"), struct.pack("<H", value))


class _Pickler(pickle._Pickler):  # type: ignore[name-defined,misc]
    dispatch = pickle._Pickler.dispatch.copy()  # type: ignore[attr-defined]

    def save_name(self, name: Name) -> None:
        self.save(name.module)
        self.save(name.name)
        self.write(pickle.STACK_GLOBAL)
        self.memoize(name)

    dispatch[Name] = save_name


def dump(value: Any) -> bytes:
    """Pickle by protocol 4, which the authors used."""
    file = io.BytesIO()
    _Pickler(file, protocol=4).dump(value)
    return file.getvalue()


Weights = dict[str, tuple[np.ndarray, np.ndarray]]


def network(seed: int = 0) -> Weights:
    """Seven layers of (in, out) matrices and biases, float32; outputs within the image's range."""
    rng = np.random.default_rng(seed)
    shapes = {"sensory": (3, WIDTH), **{f"mid_{i}": (WIDTH, WIDTH) for i in range(1, 6)}}
    layers = {}
    for name, shape in shapes.items():
        limit = 0.03 if name == "sensory" else math.sqrt(6 / WIDTH) / 70
        w = rng.uniform(-limit, limit, shape).astype(np.float32)
        layers[name] = w, rng.uniform(-0.04, 0.04, WIDTH).astype(np.float32)
    w = rng.uniform(-1, 1, (WIDTH, 1)).astype(np.float32)
    middle = np.float32(100 * (LOW + HIGH) / 2 / (HIGH - LOW))
    layers["out"] = w * np.float32(40 / np.abs(w).sum()), middle[None]
    return layers


def tree_of(layers: Weights, **changes: Any) -> Any:
    """The pickled mapping; ``changes`` replace single arrays, as ``mid_1_w=…``."""
    modules: dict[str, Any] = {
        "inif_model": {"freq_adjust": changes.get("freq_adjust", array(FREQUENCY[None]))}
    }
    for name, (w, b) in layers.items():
        modules[f"inif_model/~/{name}"] = {
            "b": changes.get(f"{name}_b", array(b)),
            "w": changes.get(f"{name}_w", array(w)),
        }
    return Reduced(FLAT, {k: Reduced(FLAT, v) for k, v in modules.items()})


def facts_of(**changes: Any) -> dict[str, Any]:
    facts = {
        "ratio": 512.0,
        "name": "an image",
        "shape": dict(zip(("dim0", "X", "Y"), SHAPE, strict=True)),
        "dtype": dtype_of("u2"),
        "max": scalar(HIGH),
        "min": scalar(LOW),
        "visualize_idx": (3, slice(0, 10, 1), slice(0, 12, 1)),
        "model": {"name": "INIF", "features": WIDTH, "coords_channel": 3},
        "key": array(np.array([0, 730], np.uint32)),
        "loop_number": 106.7,
    }
    return facts | changes


def published(layers: Weights) -> np.ndarray:
    """Counts by the formula of the authors' program, in float64."""
    axes = [np.arange(n) / (n - 1) * 2 - 1 for n in SHAPE]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    frequency = 90 + float(FREQUENCY)
    for name in ("sensory", *(f"mid_{i}" for i in range(1, 6))):
        w, b = (a.astype(np.float64) for a in layers[name])
        x = np.sin(frequency * (x @ w + b))
    w, b = (a.astype(np.float64) for a in layers["out"])
    return ((x @ w + b) * (HIGH - LOW) / 100).reshape(SHAPE)


def psnr(wanted: np.ndarray, got: np.ndarray) -> float:
    error = float(np.mean((wanted - got.astype(np.float64)) ** 2))
    return 10 * math.log10((HIGH - LOW) ** 2 / error)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A pickle in the authors' layout."""
    path = tmp_path / "network.pkl"
    path.write_bytes(dump((tree_of(network()), facts_of())))
    return path


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[bytes], InputError]:
    """The one error that these bytes end in; neither a file nor anything else is left behind."""

    def run(data: bytes) -> InputError:
        folder = tmp_path / "refused"
        folder.mkdir(exist_ok=True)
        path, out = folder / "hostile.pkl", folder / "out.inif"
        path.write_bytes(data)
        with pytest.raises(InputError) as caught:
            convert(path, out)
        assert [p.name for p in folder.iterdir()] == ["hostile.pkl"]
        assert str(path) in str(caught.value)
        assert str(caught.value).isprintable()
        return caught.value

    return run


class TestSound:
    def test_the_formula_survives_folding(self, sound: Path) -> None:
        legacy = read_legacy(sound)
        assert (legacy.axes, legacy.shape, legacy.dtype) == ("ZYX", SHAPE, np.dtype("uint16"))
        assert (legacy.low, legacy.high) == (LOW, HIGH)
        assert sum(g.size for g in legacy.groups) == 3 * 8 + 5 * 64 + 8 + 6 * 8 + 1

    @pytest.mark.parametrize("wanted", [40.0, 70.0])
    def test_meets_a_quality(self, sound: Path, tmp_path: Path, wanted: float) -> None:
        with convert(sound, tmp_path / "a.inif", psnr=wanted) as file:
            truth = published(network())
            assert LOW < truth.min() < truth.max() < HIGH  # nothing is clipped
            assert wanted - 0.3 < psnr(truth, file[...]) < wanted + 6
            assert file.header["lossy"]["psnr"] >= wanted
            assert file.header["lossy"]["target"] == {"psnr": wanted}
            assert (file.axes, file.shape, file.dtype) == ("ZYX", SHAPE, np.dtype("uint16"))
        assert inif.verify(tmp_path / "a.inif")["ok"]

    def test_default_quality(self, sound: Path, tmp_path: Path) -> None:
        with convert(sound, tmp_path / "a.inif") as file:
            assert psnr(published(network()), file[...]) > 57

    @pytest.mark.parametrize("size", [700, 800, 900])
    def test_meets_a_size(self, sound: Path, tmp_path: Path, size: int) -> None:
        with convert(sound, tmp_path / "a.inif", size=size) as file:
            assert 0.95 * size < (tmp_path / "a.inif").stat().st_size <= size
            assert file.header["lossy"]["target"] == {"size": size}
            assert file.header["lossy"]["psnr"] == pytest.approx(
                psnr(published(network()), file[...]), abs=0.5
            )

    def test_a_size_beyond_need(self, sound: Path, tmp_path: Path) -> None:
        with convert(sound, tmp_path / "a.inif", size=1_000_000) as file:
            assert file.file_bytes < 2000
            assert psnr(published(network()), file[...]) > 70

    def test_more_bytes_keep_more(self, sound: Path, tmp_path: Path) -> None:
        truth = published(network())
        kept = []
        for size in (650, 750, 900):
            with convert(sound, tmp_path / f"{size}.inif", size=size) as file:
                kept.append(psnr(truth, file[...]))
        assert kept == sorted(kept)

    def test_same_bytes_every_time(self, sound: Path, tmp_path: Path) -> None:
        convert(sound, tmp_path / "a.inif").close()
        convert(sound, tmp_path / "b.inif").close()
        assert (tmp_path / "a.inif").read_bytes() == (tmp_path / "b.inif").read_bytes()

    def test_axes_are_named_in_any_case(self, sound: Path, tmp_path: Path) -> None:
        with convert(sound, tmp_path / "a.inif", axes="tyx") as file:
            assert file.axes == "TYX"

    @pytest.mark.parametrize(
        "options",
        [
            {"psnr": math.nan},
            {"psnr": math.inf},
            {"psnr": -1.0},
            {"size": 0},
            {"size": 10},
            {"psnr": 400.0},
            {"psnr": 40.0, "size": 900},
            {"axes": "YX"},
            {"axes": "CYY"},
            {"axes": "ABC"},
        ],
        ids=str,
    )
    def test_impossible_options(self, sound: Path, tmp_path: Path, options: Any) -> None:
        with pytest.raises(InputError):
            convert(sound, tmp_path / "a.inif", **options)
        assert not (tmp_path / "a.inif").exists()

    def test_missing_file_and_folder(self, tmp_path: Path) -> None:
        for path in (tmp_path / "none.pkl", tmp_path):
            with pytest.raises(InputError, match="cannot be read"):
                convert(path, tmp_path / "a.inif")


class TestCommand:
    def test_json(self, sound: Path, tmp_path: Path, cli: Callable[..., Any]) -> None:
        out = tmp_path / "a.inif"
        done = cli("convert", sound, out, "--size", "1kB", "--json")
        assert done.code == 0
        assert done.json["file_bytes"] == out.stat().st_size <= 1000
        assert done.json["legacy_bytes"] == sound.stat().st_size
        assert done.json["shape"] == list(SHAPE)
        assert done.json["psnr"] > 20

    def test_json_of_a_hostile_file(self, tmp_path: Path, cli: Callable[..., Any]) -> None:
        path = tmp_path / "hostile.pkl"
        path.write_bytes(b"cos\nsystem\n(S'touch canary'\ntR.")
        done = cli("convert", path, tmp_path / "a.inif", "--json")
        assert done.code == 2
        assert done.json["error"] == "InputError"
        assert not (tmp_path / "a.inif").exists()


class _Runs:
    """Calls a function when a careless program loads it."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


class TestHostileNames:
    """Nothing that a pickle names is reached, so nothing of it runs."""

    @pytest.mark.parametrize("protocol", range(6))
    @pytest.mark.parametrize("function", ["os.system", "builtins.eval", "builtins.exec"])
    def test_calls(
        self,
        refused: Callable[[bytes], InputError],
        tmp_path: Path,
        function: str,
        protocol: int,
    ) -> None:
        import builtins
        import os

        canary = tmp_path / "canary"
        python = f"open({str(canary)!r}, 'w').close()"
        call = {
            "os.system": _Runs(os.system, f"touch {canary}"),
            "builtins.eval": _Runs(builtins.eval, python),
            "builtins.exec": _Runs(builtins.exec, python),
        }[function]
        data = pickle.dumps(call, protocol=protocol)
        refused(data)
        assert not canary.exists()
        pickle.loads(data)  # the attack is real: an ordinary reader runs it
        assert canary.exists()

    @pytest.mark.parametrize(
        ("module", "name"),
        [
            ("builtins", "getattr"),
            ("builtins", "eval"),
            ("builtins", "__import__"),
            ("builtins", "dict.fromkeys"),
            ("builtins", "slice.__class__"),
            ("numpy", "load"),
            ("numpy", "ndarray.tofile"),
            ("numpy", "dtype.__class__.__base__"),
            ("numpy.core.multiarray", "_reconstruct.__globals__"),
            ("haiku._src.data_structures", "FlatMapping.__subclasses__"),
            ("inif.legacy", "Path"),
            ("", ""),
            ("a\nb\x1b[2J", "c\x07"),
        ],
    )
    def test_names(self, refused: Callable[[bytes], InputError], module: str, name: str) -> None:
        data = b"\x80\x04" + _text(module) + _text(name) + b"\x93)R."
        assert "not allowed" in str(refused(data))

    def test_inside_a_sound_network(
        self, refused: Callable[[bytes], InputError], tmp_path: Path
    ) -> None:
        import os

        canary = tmp_path / "canary"
        facts = facts_of(name=_Runs(os.system, f"touch {canary}"))
        refused(dump((tree_of(network()), facts)))
        assert not canary.exists()

    @pytest.mark.parametrize("opcode", ["REDUCE", "BUILD"])
    def test_states_change_no_function(
        self, refused: Callable[[bytes], InputError], opcode: str
    ) -> None:
        from inif import legacy

        name = _text("numpy.core.multiarray") + _text("_reconstruct") + b"\x93"
        state = b"N}" + _text("__defaults__") + b"K\x01\x85s\x86"
        refused(b"\x80\x04" + name + state + {"REDUCE": b"R", "BUILD": b"b"}[opcode] + b".")
        assert legacy._reconstruct.__defaults__ is None

    def test_an_array_is_built_by_its_function_alone(
        self, refused: Callable[[bytes], InputError]
    ) -> None:
        w = network()["mid_1"][0]
        state = (1, w.shape, dtype_of("f4"), False, w.tobytes())
        forged = Reduced(JAX_ARRAY, DTYPE, (NDARRAY, (0,), b"b"), state, {})
        refused(dump((tree_of(network(), mid_1_w=forged), facts_of())))


def _text(text: str) -> bytes:
    data = text.encode()
    return b"\x8c" + bytes([len(data)]) + data


class TestHostileBytes:
    @pytest.mark.parametrize(
        ("name", "data"),
        [
            ("BINPUT", b"\x80\x04}q\x00."),
            ("LONG_BINPUT", b"\x80\x04}r\xff\xff\xff\x7f."),
            ("EXT1", b"\x80\x04\x82\x01."),
            ("EXT4", b"\x80\x04\x84\x01\x00\x00\x00."),
            ("BINPERSID", b"\x80\x04K\x01Q."),
            ("PERSID", b"Pabc\n."),
            ("GLOBAL", b"cos\nsystem\n."),
            ("INST", b"(ios\nsystem\n."),
            ("OBJ", b"(}o."),
            ("NEWOBJ", b"\x80\x04})\x81."),
            ("NEWOBJ_EX", b"\x80\x04})}\x92."),
            ("LONG4", b"\x80\x04\x8b\xff\xff\xff\x7f."),
            ("BINBYTES8", b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f."),
            ("BYTEARRAY8", b"\x80\x05\x96" + b"\xff" * 7 + b"\x7f."),
            ("NEXT_BUFFER", b"\x80\x05\x97."),
        ],
    )
    def test_instructions(
        self, refused: Callable[[bytes], InputError], name: str, data: bytes
    ) -> None:
        error = refused(data)
        assert f"instruction {name} is not allowed" in str(error) or "expected" in str(error)

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x80",
            b".",
            b"\x80\x04.",
            b"\x80\x04N.",
            b"\x80\x04K\x05.",
            b"\x80\x04].",
            b"\x80\x04}.",
            b"\x80\x04}}\x86.",
            b"\x80\x63}.",
            b"\x80\x04R.",
            b"\x80\x04h\x07.",
            b"\x80\x04)R.",
            b"\x80\x04\x95" + b"\xff" * 8 + b"}.",
            b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f}.",
            b"\x80\x04B\xff\xff\xff\xff.",
            b"\x80\x04X\xff\xff\xff\xffabc.",
            b"\x80\x04\x8c\x02\xff\xfe.",
            b"\x80\x04}}Nsb.",
            b"\x80\x04}]Ns.",
            b"\x89INIF\r\n\x1a" + bytes(40),
        ],
    )
    def test_malformed(self, refused: Callable[[bytes], InputError], data: bytes) -> None:
        refused(data)

    def test_nesting_ends_before_the_stack_does(
        self, refused: Callable[[bytes], InputError]
    ) -> None:
        deep = b"\x80\x04})" + b"\x85" * 1_000_000 + b"Ns."  # the hash of this overflows the stack
        assert "pickle instructions" in str(refused(deep))
        refused(b"\x80\x04})" + b"\x85" * 8000 + b"Ns.")

    def test_too_large(
        self, refused: Callable[[bytes], InputError], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("inif.legacy._MAX_BYTES", 100)
        assert "too large" in str(refused(bytes(101)))

    def test_truncated_anywhere(self, sound: Path, refused: Callable[[bytes], InputError]) -> None:
        data = sound.read_bytes()
        for end in (*range(40), *range(40, len(data), 37), len(data) - 1):
            refused(data[:end])

    def test_random_bytes(self, refused: Callable[[bytes], InputError]) -> None:
        rng = np.random.default_rng(0)
        for count in range(1, 200):
            refused(b"\x80\x04" + rng.bytes(count))

    def test_changed_bytes(self, sound: Path, tmp_path: Path) -> None:
        """A changed weight is still a network; whatever else changes ends in the one error."""
        data = bytearray(sound.read_bytes())
        rng = np.random.default_rng(1)
        path = tmp_path / "changed.pkl"
        outcomes = set()
        for _ in range(300):
            changed = data.copy()
            changed[rng.integers(len(data))] = rng.integers(256)
            path.write_bytes(changed)
            try:
                read_legacy(path)
                outcomes.add("read")
            except InifError as error:
                outcomes.add(type(error).__name__)
        assert outcomes == {"read", "InputError"}


class TestHostileContents:
    """The layout is right; what it says is not."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"mid_1_w": array(np.zeros((WIDTH, WIDTH)))},  # float64
            {"mid_1_w": array(np.zeros((WIDTH, WIDTH), np.uint32))},
            {"mid_1_w": array(np.zeros((WIDTH, WIDTH), np.float32), code="O")},
            {"mid_1_w": array(np.zeros((WIDTH, WIDTH), np.float32), code="f4,f4")},
            {"mid_1_w": array(np.zeros((WIDTH, WIDTH + 1), np.float32))},
            {"mid_1_w": array(np.zeros(WIDTH, np.float32))},
            {"mid_1_w": array(np.zeros((WIDTH, WIDTH), np.float32), shape=(1 << 40, 1 << 40))},
            {"mid_1_w": array(np.zeros((WIDTH, WIDTH), np.float32), shape=(-1, -1))},
            {"mid_1_w": array(np.full((WIDTH, WIDTH), np.nan, np.float32))},
            {"mid_1_w": array(np.full((WIDTH, WIDTH), np.inf, np.float32))},
            {"mid_1_w": array(np.full((WIDTH, WIDTH), 1e38, np.float32))},
            {"mid_1_w": array(np.full((WIDTH, WIDTH), 9e5, np.float32))},
            {"mid_1_b": array(np.full(WIDTH, -np.inf, np.float32))},
            {"mid_1_b": array(np.zeros(WIDTH + 1, np.float32))},
            {"out_b": array(np.full(1, np.nan, np.float32))},
            {"sensory_w": array(np.zeros((4, WIDTH), np.float32))},
            {"sensory_w": array(np.zeros((3, 0), np.float32))},
            {"freq_adjust": array(np.full(1, np.nan, np.float32))},
            {"freq_adjust": array(np.full(1, 3e38, np.float32))},
            {"freq_adjust": array(np.zeros(2, np.float32))},
            {"freq_adjust": 1.0},
            {"sensory_w": None},
        ],
    )
    def test_arrays(
        self,
        refused: Callable[[bytes], InputError],
        changes: dict[str, Any],
    ) -> None:
        refused(dump((tree_of(network(), **changes), facts_of())))

    @pytest.mark.parametrize(
        "changes",
        [
            {"shape": {"dim0": 1 << 20, "X": 1 << 20, "Y": 1 << 20}},
            {"shape": {"dim0": 10**60, "X": 10, "Y": 12}},
            {"shape": {"dim0": -6, "X": -10, "Y": 12}},
            {"shape": {"dim0": 6, "X": 10}},
            {"shape": {}},
            {"shape": (6, 10, 12)},
            {"shape": None},
            {"min": scalar(HIGH)},
            {"min": -5},
            {"max": 1 << 17},
            {"max": math.nan},
            {"max": math.inf},
            {"max": "many"},
            {"max": array(np.zeros(3, np.uint32))},
            {"dtype": dtype_of("f8")},
            {"dtype": "uint16"},
            {"dtype": DTYPE},
        ],
    )
    def test_facts(
        self,
        refused: Callable[[bytes], InputError],
        changes: dict[str, Any],
    ) -> None:
        refused(dump((tree_of(network()), facts_of(**changes))))

    def test_layers(self, refused: Callable[[bytes], InputError]) -> None:
        for missing in ("sensory", "mid_3", "out"):
            layers = network()
            del layers[missing]
            refused(dump((tree_of(layers), facts_of())))
        deeper = network()
        deeper["mid_6"] = deeper["mid_5"]
        refused(dump((tree_of(deeper), facts_of())))
        refused(dump((Reduced(FLAT, {}), facts_of())))

    def test_no_facts(self, refused: Callable[[bytes], InputError]) -> None:
        refused(dump(tree_of(network())))
        refused(dump((tree_of(network()), facts_of(), None)))
