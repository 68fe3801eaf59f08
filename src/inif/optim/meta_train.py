"""Meta-training of `inif-lopt` by evolution strategies: whole fits, so the estimate has no bias.

Each pair of fits is the same fit under weights that were moved one way and the other; the change
of the final PSNR along the move is a sample of the gradient. Nothing is truncated, so long horizons
cost time but not honesty. A checkpoint holds all there is; tasks come from seeds.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from inif.errors import InputError
from inif.optim import fits, learned

_LIMIT = 0.7
"""Decibels a pair may count, so that one collapse does not decide a step."""

_EVERY = 25
_FIRST_JUDGED = 1 << 30
_BETAS = (0.9, 0.98)
_sources: list[fits.TrainingImage] = []


@dataclass(frozen=True)
class MetaSettings:
    """Of a meta-training run.

    Attributes
    ----------
    updates, pairs
        Steps of the outer optimizer, and pairs of fits for each.
    sigma, rate
        How far weights are moved, and the outer (Adam) learning rate, which falls to a tenth.
    steps
        Shortest and longest fit; lengths between are log-uniform.
    judged
        Fits that training does not see, to judge by.
    long_only
        Only what has a say in long fits is trained (`learned.of_long_fits`).
    """

    updates: int = 400
    pairs: int = 24
    sigma: float = 0.1
    rate: float = 0.02
    steps: tuple[int, int] = (100, 1000)
    judged: int = 24
    seed: int = 0
    long_only: bool = False

    @property
    def trained(self) -> np.ndarray:
        """(N,) bool: which of the weights move."""
        chosen = flat(learned.of_long_fits()) > 0
        return chosen if self.long_only else np.ones_like(chosen)


@dataclass
class Progress:
    """The outer optimizer's state: all a run needs to go on.

    Attributes
    ----------
    theta, first, second
        (N,) weights, and Adam's moments of their gradient.
    update
        Updates done.
    """

    theta: np.ndarray
    first: np.ndarray
    second: np.ndarray
    update: int = 0

    @classmethod
    def begin(cls, weights: learned.Weights | None = None) -> Progress:
        """From the start, or from what was trained before."""
        theta = flat(learned.start() if weights is None else weights)
        return cls(theta, np.zeros_like(theta), np.zeros_like(theta))

    def save(self, path: Path, settings: MetaSettings) -> None:
        """As one file, by writing beside it first."""
        beside = path.with_name(path.name + ".part")
        with beside.open("wb") as file:
            np.savez(
                file,
                theta=self.theta,
                first=self.first,
                second=self.second,
                update=self.update,
                settings=json.dumps(asdict(settings)),
            )
        beside.replace(path)

    @classmethod
    def load(cls, path: Path, settings: MetaSettings) -> Progress:
        """What `save` wrote.

        Raises
        ------
        InputError
            The file is not a checkpoint, or one of other settings.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
                theta, first, second = (
                    np.asarray(found[k], np.float64) for k in ("theta", "first", "second")
                )
                update, known = int(found["update"]), json.loads(str(found["settings"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                "this is not a checkpoint of a meta-training run",
                file=str(path),
                expected="an .npz file that `inif optimizer train` wrote",
                got=error,
                fix="name another file, or start a new run",
            ) from None
        wanted = json.loads(json.dumps(asdict(replace(settings, updates=known.get("updates")))))
        if known != wanted:
            raise InputError(
                "this run was begun with other settings",
                file=str(path),
                expected=wanted,
                got=known,
                fix="name the same ones, or another file",
            )
        return cls(theta, first, second, update)

    def step(self, gradient: np.ndarray, settings: MetaSettings) -> None:
        """Adam, upwards."""
        self.update += 1
        self.first = _BETAS[0] * self.first + (1 - _BETAS[0]) * gradient
        self.second = _BETAS[1] * self.second + (1 - _BETAS[1]) * gradient**2
        corrected = [
            m / (1 - b**self.update) for m, b in zip((self.first, self.second), _BETAS, strict=True)
        ]
        share = min(self.update / settings.updates, 1.0)
        rate = settings.rate * (0.1 + 0.45 * (1 + np.cos(np.pi * share)))
        self.theta = self.theta + rate * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)


def flat(weights: learned.Weights) -> np.ndarray:
    """All weights as (N,) float64."""
    return np.concatenate([np.ravel(w) for w in weights]).astype(np.float64)


def shaped(theta: np.ndarray) -> learned.Weights:
    """The inverse of `flat`."""
    sizes = learned.SHAPES
    parts = np.split(theta.astype(np.float32), np.cumsum([int(np.prod(s)) for s in sizes])[:-1])
    named = zip(learned.Weights._fields, parts, sizes, strict=True)
    return learned.Weights(**{name: jnp.asarray(p.reshape(s)) for name, p, s in named})


def train(
    sources: Sequence[fits.TrainingImage],
    settings: MetaSettings,
    progress: Progress,
    *,
    workers: int,
    begin: learned.Weights | None = None,
    seconds: float | None = None,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> Iterator[Progress]:
    """Meta-train, yielding the progress after every update; `report` gets the curve.

    Gains are over the weights that the run began from: `begin`, or none.
    Ends after ``settings.updates`` updates in all, or `seconds`. Every 25th update is judged on
    fits that training does not see, the first and the last too.
    """
    begun = time.monotonic()
    with processes(workers, _begin, list(sources)) as pool:

        def run(jobs: list[tuple[Any, ...]]) -> np.ndarray:
            return np.array(pool.map(_scored, jobs, chunksize=1))

        base = judged(run, Progress.begin(begin).theta, settings)
        while progress.update < settings.updates:
            number, theta = progress.update, progress.theta
            rng = np.random.default_rng([settings.seed, 11, number])
            noise = rng.standard_normal((settings.pairs, len(theta))) * settings.trained
            first = number * settings.pairs + settings.seed * 10**9
            jobs = []
            for i in range(settings.pairs):
                for sign in (1, -1):
                    moved = theta + sign * settings.sigma * noise[i]
                    jobs.append((first + i, moved, settings.steps))
            scores = run(jobs).reshape(-1, 2)
            change = np.clip(scores[:, 0] - scores[:, 1], -_LIMIT, _LIMIT)
            progress.step(change @ noise / (2 * settings.sigma * settings.pairs), settings)
            row: dict[str, Any] = {"update": progress.update, "psnr": float(scores.mean())}
            late = bool(seconds) and time.monotonic() - begun > (seconds or 0)
            if progress.update % _EVERY == 0 or late or progress.update == settings.updates:
                gain = judged(run, progress.theta, settings) - base
                row |= {"gain": float(gain.mean()), "worst": float(gain.min())}
            row["seconds"] = time.monotonic() - begun
            if report:
                report(row)
            yield progress
            if late:
                return


def judged(run: Any, theta: np.ndarray, settings: MetaSettings) -> np.ndarray:
    """PSNR in dB on fits that training does not see, (judged,)."""
    seeds = range(_FIRST_JUDGED, _FIRST_JUDGED + settings.judged)
    jobs = [(seed, theta, settings.steps) for seed in seeds]
    return np.asarray(run(jobs))


@contextmanager
def processes(workers: int, begin: Callable[..., None], *given: Any) -> Iterator[Any]:
    """A pool of processes of one thread each, which is how small fits use cores best."""
    flags = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "OMP_NUM_THREADS": "1"}
    before = {k: os.environ.get(k) for k in flags}
    os.environ.update(flags)
    try:
        context = multiprocessing.get_context("spawn")
        with context.Pool(workers, begin, given) as pool:
            yield pool
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def _begin(sources: list[fits.TrainingImage]) -> None:
    _sources[:] = sources


def _scored(job: tuple[int, np.ndarray, tuple[int, int]]) -> float:
    seed, theta, steps = job
    fit = fits.draw(_sources, seed, steps)
    return fits.score(fit, learned.learned, shaped(theta))
