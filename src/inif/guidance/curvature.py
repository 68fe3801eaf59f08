"""Curvature of an image: Hessian matrices and their eigenvalues, with gradients that stay finite.

The derivative of an eigenvalue with eigenvector v is vᵀ dH v. Jacobi's method gives v for any
symmetric matrix, so equal eigenvalues, where formulas divide by zero, need no special case.
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import jax
import jax.numpy as jnp

_SWEEPS = {2: 1, 3: 3}  # by number of axes; then eigenvalues are as exact as float32
_PAIRS = {2: ((0, 1),), 3: ((0, 1), (0, 2), (1, 2))}
_TINY = 1e-18  # its square is still a float32

Symmetric = dict[tuple[int, int], jax.Array]
"""A field of symmetric matrices: the entries (i, j) with i <= j, each of the image's shape."""


def hessian(image: jax.Array) -> Symmetric:
    """Second derivatives of a (Y, X) or (Z, Y, X) float32 image per sample².

    Central differences taken twice, one-sided at the edges, as `numpy.gradient` does.
    """
    first = [_derivative(image, axis) for axis in range(image.ndim)]
    pairs = combinations_with_replacement(range(image.ndim), 2)
    return {(i, j): _derivative(first[i], j) for i, j in pairs}


def _derivative(image: jax.Array, axis: int) -> jax.Array:
    return jnp.asarray(jnp.gradient(image, axis=axis))


@jax.custom_jvp
def strongest(matrices: Symmetric) -> tuple[jax.Array, jax.Array]:
    """Eigenvalues of greatest and of second greatest magnitude of 2×2 or 3×3 symmetric matrices.

    Their derivatives are finite everywhere; where eigenvalues are equal they are one of the
    possible ones.
    """
    return _sorted(matrices)[0]


@strongest.defjvp
def _strongest_jvp(
    primals: tuple[Symmetric], tangents: tuple[Symmetric]
) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    values, vectors = _sorted(primals[0])
    (change,) = tangents
    slopes = [
        sum((1 if i == j else 2) * v[i] * v[j] * entry for (i, j), entry in change.items())
        for v in vectors
    ]
    return values, (slopes[0], slopes[1])  # type: ignore[return-value]


def _sorted(
    matrices: Symmetric,
) -> tuple[tuple[jax.Array, jax.Array], tuple[list[jax.Array], list[jax.Array]]]:
    """The two eigenvalues, and their eigenvectors."""
    values, vectors = _jacobi(matrices)
    order = [(value, *vector) for value, vector in zip(values, vectors, strict=True)]
    for a, b in _PAIRS[len(values)]:  # greatest magnitude first
        swap = jnp.abs(order[b][0]) > jnp.abs(order[a][0])
        first = tuple(jnp.where(swap, y, x) for x, y in zip(order[a], order[b], strict=True))
        second = tuple(jnp.where(swap, x, y) for x, y in zip(order[a], order[b], strict=True))
        order[a], order[b] = first, second
    (one, *v), (two, *w) = order[:2]
    return (one, two), (v, w)


def _jacobi(matrices: Symmetric) -> tuple[list[jax.Array], list[list[jax.Array]]]:
    """All eigenvalues and their eigenvectors, by cyclic rotations (Jacobi 1846)."""
    size = 1 + max(j for _, j in matrices)
    zero, one = jnp.zeros_like(matrices[0, 0]), jnp.ones_like(matrices[0, 0])
    vectors = [[one if i == j else zero for j in range(size)] for i in range(size)]
    start = (matrices, vectors)
    done, vectors = jax.lax.fori_loop(0, _SWEEPS[size], lambda _, a: _sweep(*a), start)
    return [done[i, i] for i in range(size)], vectors


def _sweep(
    matrices: Symmetric, vectors: list[list[jax.Array]]
) -> tuple[Symmetric, list[list[jax.Array]]]:
    """One rotation for each pair of axes."""
    a, v = dict(matrices), list(vectors)
    for p, q in _PAIRS[len(v)]:
        cosine, sine, tangent = _rotation(a[p, p], a[q, q], a[p, q])
        shift = tangent * a[p, q]
        a[p, p], a[q, q] = a[p, p] - shift, a[q, q] + shift
        a[p, q] = jnp.zeros_like(shift)
        for r in set(range(len(v))) - {p, q}:
            low, high = (min(r, p), max(r, p)), (min(r, q), max(r, q))
            a[low], a[high] = cosine * a[low] - sine * a[high], sine * a[low] + cosine * a[high]
        v[p], v[q] = (
            [cosine * x - sine * y for x, y in zip(v[p], v[q], strict=True)],
            [sine * x + cosine * y for x, y in zip(v[p], v[q], strict=True)],
        )
    return a, v


def _rotation(
    pp: jax.Array, qq: jax.Array, pq: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Cosine, sine and tangent of the smaller angle that makes the entry `pq` zero."""
    half = (qq - pp) / 2
    length = jnp.abs(half) + jnp.sqrt(half * half + pq * pq)
    tangent = jnp.where(half < 0, -pq, pq) / jnp.maximum(length, _TINY)
    cosine = 1 / jnp.sqrt(1 + tangent * tangent)
    return cosine, tangent * cosine, tangent
