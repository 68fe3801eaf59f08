"""Devices besides the CPU, as far as a CPU can tell: points drawn in the compiled step, fields
evaluated by JAX, programs kept."""

from __future__ import annotations

import os
import pickle
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arithmetic import tolerance

import inif
from inif.bricks import BrickGrid
from inif.config import FitSettings
from inif.decode.brick import Intensities
from inif.encode.siren import device
from inif.encode.siren.sampling import Sampler
from inif.errors import InputError, MissingExtraError, UnsupportedError
from inif.fields.siren import Siren

pytestmark = pytest.mark.numerical

CASES: dict[str, tuple[str, tuple[int, ...], tuple[int, ...], bool, str]] = {
    "X": ("X", (31,), (10,), True, "float32"),
    "ZYX": ("ZYX", (5, 9, 1), (3, 4, 1), True, "uint8"),
    "YXC coordinate": ("YXC", (8, 9, 3), (8, 4, 2), False, "int16"),
    "TCZYX outputs": ("TCZYX", (2, 3, 2, 5, 6), (1, 3, 2, 5, 6), True, "uint16"),
}


def sampler_of(data: np.ndarray, axes: str, brick: tuple[int, ...], as_outputs: bool) -> Sampler:
    c = axes.find("C")
    moved = np.moveaxis(data, c, 0) if c >= 0 else data[None]
    flat = moved.reshape(len(moved), -1).astype(np.float64)
    ranges = np.stack([flat.min(axis=1), flat.max(axis=1)], axis=1)
    grid = BrickGrid(data.shape, brick)
    return Sampler(data, axes, grid, Intensities(ranges, data.dtype), as_outputs)


@pytest.mark.parametrize(
    "case",
    ["YXC coordinate", *(pytest.param(c, marks=pytest.mark.slow) for c in CASES if c[0] != "Y")],
)
def test_points_of_a_device_are_those_of_the_sampler(case: str) -> None:
    """All voxels of small bricks come, and each with the host's coordinates and targets."""
    from inif.encode.siren.points import DevicePoints

    axes, shape, brick, as_outputs, dtype = CASES[case]
    values = np.random.default_rng(0).permutation(np.prod(shape)).reshape(shape)
    sampler = sampler_of((values % 251).astype(dtype), axes, brick, as_outputs)
    points = DevicePoints(sampler, 2048)
    seeds = points.block(np.random.default_rng(1), 2)
    (coords, targets), other = (points.step(points.kept, s) for s in seeds)
    wanted = sampler.draw(np.random.default_rng(0), 2048)
    assert (coords.shape, targets.shape) == (wanted[0].shape, wanted[1].shape)
    assert {coords.dtype, targets.dtype} == {np.dtype(np.float32)}
    assert (np.asarray(other[0]) != coords).any()
    atol = tolerance(4, 1.0)
    for b in range(len(sampler.bricks)):
        ours, theirs = (
            np.unique(np.round(np.concatenate([c[b], t[b]], axis=1).astype(np.float64), 4), axis=0)
            for c, t in ((coords, targets), wanted)
        )
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=max(atol, 1.5e-4))


@pytest.mark.parametrize(
    ("low", "high"), [(-1e30, 1e30), (1e6, 1e6 + 1), (0, 1e-20), (5.0, 5.0)], ids=str
)
def test_ranges_of_floats_are_kept(low: float, high: float) -> None:
    from inif.encode.siren.points import DevicePoints

    data = np.linspace(low, high, 5, dtype=np.float32)
    points = DevicePoints(sampler_of(data, "X", (5,), True), 200)
    coords, targets = points.step(points.kept, np.uint32(3))
    wanted = coords if low < high else 0 * coords
    np.testing.assert_allclose(targets, wanted, rtol=0, atol=0.1 if high == 1e6 + 1 else 1e-6)


def test_what_a_device_has_no_room_for_stays_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    import jax

    from inif.encode.siren.points import DevicePoints, HostPoints, points_of

    sampler = sampler_of(np.arange(100, dtype=np.float32), "X", (50,), True)
    assert isinstance(points_of(sampler, 8, device=True), DevicePoints)
    assert isinstance(points_of(sampler, 8, device=False), HostPoints)
    for high in (1e-38, 3e38):
        odd = sampler_of(np.array([-high, high], np.float32), "X", (2,), True)
        assert isinstance(points_of(odd, 8, device=True), HostPoints)

    class Full:
        def memory_stats(self) -> dict[str, int]:
            return {"bytes_limit": 3000}

    monkeypatch.setattr(jax, "devices", lambda: [Full()])
    assert isinstance(points_of(sampler, 8, device=True), HostPoints)


@pytest.mark.slow
def test_a_fit_with_points_of_a_device_is_as_good() -> None:
    """To within 0.2 dB: the noise, which no fit of this size learns, is most of the error."""
    from inif.encode.siren.fit import Fitter

    y, x = np.meshgrid(np.linspace(0, 1, 48), np.linspace(0, 1, 60), indexing="ij")
    noise = np.random.default_rng(0).normal(0, 150, x.shape)
    data = (2000 + 1000 * np.sin(5 * x) * np.cos(4 * y) + noise).astype(np.uint16)
    sampler = sampler_of(data, "YX", (24, 60), True)
    settings = FitSettings(optimizer="adam:0.01", steps=128, points=512, omega=10.0, check_every=32)
    usual, ours = (
        Fitter(Siren(2, 1, 8, 3), sampler, settings, device=on).run() for on in (False, True)
    )
    assert usual.steps == ours.steps == 128
    assert ours.psnr == pytest.approx(usual.psnr, abs=0.2)
    assert 20 < usual.psnr < 35


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A machine that says it has a GPU, where JAX keeps no programs yet."""
    import jax

    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    jax.config.update(names[0], None)
    monkeypatch.setattr(device, "accelerated", lambda: True)
    yield jax.config
    for name, value in before.items():
        jax.config.update(name, value)


def test_programs_are_kept_in_a_folder_of_the_user(
    pretended: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    device.keep_programs()
    folder = tmp_path / "c" / "inif" / "jax"
    assert pretended.jax_compilation_cache_dir == str(folder)
    assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    device.keep_programs()
    assert pretended.jax_compilation_cache_dir == str(folder)  # what is set stays
    assert not (tmp_path / "other").exists()


def test_nothing_is_kept_where_nothing_can_be(
    pretended: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    device.keep_programs()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    device.keep_programs()
    monkeypatch.setattr(device, "accelerated", lambda: False)
    device.keep_programs()
    assert pretended.jax_compilation_cache_dir is None


def test_jax_is_asked_only_where_it_has_a_plugin() -> None:
    script = (
        "import sys\nfrom inif.encode.siren import device\n"
        "device._PLUGINS = ('no_such_plugin',)\n"
        "assert not device.accelerated()\ndevice.keep_programs()\n"
        "assert 'jax' not in sys.modules\n"
        "device._PLUGINS = ('sys',)\nassert not device.accelerated()\n"
    )
    env = os.environ | {"JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", script], check=True, env=env)


FILES: dict[str, tuple[Any, ...]] = {
    "stack": ("ZYX", (3, 20, 24), "uint16", {"brick": (3, 10, 24)}),
    "outputs": ("CYX", (2, 9, 11), "float32", {}),
    "coordinate": ("CYX", (2, 9, 11), "uint8", {"channels": "coordinate"}),
    "channels only": ("C", (3,), "int16", {}),
}


@pytest.mark.parametrize("name", FILES)
def test_a_field_on_a_device_has_the_same_samples_but_for_rounding(
    random_file: Callable[..., bytes], name: str
) -> None:
    axes, shape, dtype, more = FILES[name]
    data = random_file(axes, shape, dtype, **more)
    with inif.open(data) as usual, inif.open(data, device="cpu") as file:
        allowed = 1 if dtype != "float32" else 1e-4
        whole = np.asarray(usual).astype(np.float64)
        np.testing.assert_allclose(np.asarray(file), whole, rtol=0, atol=allowed)
        assert np.mean(np.asarray(file) != whole) < 0.02 or dtype == "float32"
        where = np.random.default_rng(0).integers(0, shape, (7, len(shape))).astype(float)
        scale = float(np.ptp(usual.intensities.ranges))
        np.testing.assert_allclose(
            file.points(where), usual.points(where), rtol=0, atol=1e-4 * scale
        )
        again = pickle.loads(pickle.dumps(file))
        np.testing.assert_array_equal(np.asarray(again), np.asarray(file))
        assert type(again.bricks.field) is type(file.bricks.field)
        assert inif.verify(file.to_bytes())["exact"]


def test_points_go_in_blocks(
    random_file: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    from inif.fields import device as fields

    data = random_file("YX", (40, 50))
    monkeypatch.setattr(fields, "_LEAST", 64)
    monkeypatch.setattr(fields, "_MOST", 256)
    with inif.open(data) as usual, inif.open(data, device="cpu") as file:
        assert np.abs(np.asarray(file).astype(int) - np.asarray(usual)).max() <= 1
        assert file[3:3].shape == (0, 50)


def test_a_device_that_is_not_there_is_one_error(
    random_file: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = random_file("YX", (8, 9))
    with pytest.raises(InputError, match=r"JAX does not have this device.*warp"):
        inif.open(data, device="warp")
    monkeypatch.delitem(sys.modules, "inif.fields.device", raising=False)
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(MissingExtraError, match="'jax'"):
        inif.open(data, device="gpu")


@pytest.mark.parametrize("options", [{"method": "latent", "ratio": 4}, {"lossless": True}], ids=str)
def test_only_pure_fields_are_evaluated_on_a_device(options: dict[str, Any]) -> None:
    image = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint16)
    data = inif.compress(image, axes="YX", **options).to_bytes()
    with pytest.raises(UnsupportedError, match="only pure fields"):
        inif.open(data, device="cpu")
