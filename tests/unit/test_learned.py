"""`inif-lopt`: what it sees, what it does with bad gradients, and its weights as a file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inif.errors import InputError
from inif.fields.network import Parameters
from inif.optim import learned

pytestmark = pytest.mark.numerical

STEPS = 100


def tree(seed: int = 0, width: int = 12) -> Parameters:
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> Any:
        return jnp.asarray(rng.normal(0, 0.1, shape), jnp.float32)

    matrices = (draw(width, 3), draw(width, width), draw(width, width), draw(2, width))
    return Parameters(matrices, draw(3, width), draw(2), draw())


@cache
def _optimizer() -> Any:
    return learned.learned(learned.start(), STEPS)


_update = cache(jax.jit)  # compiled once for each tree and each set of what is given


def one(params: Any, grads: Any, **given: Any) -> Any:
    optimizer = _optimizer()
    state = jax.jit(optimizer.init)(params)
    return _update(optimizer.update)(grads, state, params, **({"value": 1.0} | given))[0]


def test_roles_come_from_a_fields_names() -> None:
    names = [role for role, _ in learned.roles(tree())]
    assert names == ["first", "hidden", "hidden", "last", "bias", "last_bias", "scalar"]
    depths = [depth for _, depth in learned.roles(tree())]
    assert depths[:4] == [0, pytest.approx(1 / 3), pytest.approx(2 / 3), 1]


def test_roles_of_other_trees_come_from_shapes() -> None:
    params = {"a": jnp.zeros((4, 2)), "b": jnp.zeros(3), "c": jnp.zeros((3, 4))}
    assert [role for role, _ in learned.roles(params)] == ["first", "bias", "last"]


def test_updates_do_not_depend_on_the_unit_of_the_loss() -> None:
    params, grads = tree(0), tree(1)
    large = jax.tree.map(lambda g: 100 * g, grads)
    for a, b in zip(one(params, grads), one(params, large), strict=True):
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
            np.testing.assert_allclose(x, y, rtol=2e-3, atol=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_bad_gradients_and_losses_give_finite_updates(bad: float) -> None:
    params = tree(0)
    grads = jax.tree.map(lambda p: jnp.full_like(p, bad), params)
    for value in (bad, 0.0, -1.0):
        leaves = jax.tree.leaves(one(params, grads, value=value))
        assert all(np.isfinite(np.asarray(leaf)).all() for leaf in leaves)


def test_the_share_done_may_be_told() -> None:
    params, grads = tree(0), tree(1)
    early, late = (one(params, grads, done=d) for d in (0.1, 0.9))
    size = [sum(float(jnp.sum(u**2)) for u in jax.tree.leaves(x)) for x in (early, late)]
    assert size[1] < 0.1 * size[0]


def test_orthogonal_matrices_come_out_orthogonal() -> None:
    m = jnp.asarray(np.random.default_rng(0).normal(size=(2, 16, 16)), jnp.float32)
    values = np.linalg.svd(np.asarray(learned._orthogonal(m)), compute_uv=False)
    assert (values > 0.3).all()
    assert (values < 1.3).all()


def test_shipped_weights_are_small_and_finite() -> None:
    weights = learned.shipped()
    assert all(np.isfinite(np.asarray(w)).all() for w in weights)
    path = Path(learned.__file__).parent / "lopt.npz"
    assert path.stat().st_size < 1_000_000


def written(path: Path, **changes: Any) -> Path:
    weights = learned.start()._asdict() | changes
    np.savez(path, **{k: np.asarray(v) for k, v in weights.items() if v is not None})
    return path


def test_weights_come_back_from_a_file(tmp_path: Path) -> None:
    found = learned.load(written(tmp_path / "w.npz"))
    for a, b in zip(found, learned.start(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "changes",
    [
        {"step": None},
        {"mix": np.zeros((3, 4), np.float32)},
        {"step": np.zeros(4, np.float32)},
        {"decays": np.full(3, np.nan, np.float32)},
        {"mix": np.array([object()])},
    ],
)
def test_other_weights_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="weights") as caught:
        learned.load(written(tmp_path / "w.npz", **changes))
    assert "w.npz" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + bytes(40)])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not weights"):
        learned.load(path)
