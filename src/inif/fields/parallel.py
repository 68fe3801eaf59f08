"""All cores for one evaluation: ranges of points in threads, each with single-threaded BLAS.

BLAS's own threads wait in busy loops; on small matrices, and on a machine with other work, that
costs up to ten times the time. NumPy releases the interpreter's lock in matmul and sin, so plain
threads over ranges of points use the cores better, and the sines too.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

_LEAST = 8192
_MOST = 16

_SHARE: ContextVar[int] = ContextVar("share")
"""Cores that a thread of `in_order` may use; not set in others."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def over_ranges(task: Callable[[int, int], None], count: int, align: int) -> None:
    """Call ``task(start, stop)`` on ranges that cover 0 … count, on all cores.

    Parameters
    ----------
    align
        Every range but the last starts and ends at a multiple of it.
    """
    workers = cores() if count > _LEAST else 1
    size = max(-(-count // (workers * align)), 1) * align

    def part(start: int) -> None:
        task(start, min(start + size, count))

    for _ in in_order(part, range(0, count, size), workers=workers):
        pass


def in_order(
    task: Callable[[Item], Result], items: Sequence[Item], *, workers: int | None = None
) -> Iterator[Result]:
    """Results of ``task(item)`` in the order of the items, worked out on all cores.

    At most one result more than there are cores waits to be taken. A task may use this too: the
    cores are then shared among the tasks that run at the same time.

    Parameters
    ----------
    workers
        Threads instead of one per core; there are never more than items.
    """
    mine = cores()
    workers = min(workers or mine, len(items))
    with one_blas_thread():
        if workers <= 1:
            yield from map(task, items)
            return
        share = max(mine // workers, 1)
        with ThreadPoolExecutor(workers, initializer=_SHARE.set, initargs=(share,)) as pool:
            waiting: deque[Future[Result]] = deque()
            try:
                for item in items:
                    waiting.append(pool.submit(task, item))
                    if len(waiting) > workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()


def cores() -> int:
    """Cores that this process may use, at most 16; in a task of `in_order`, its share of them."""
    share = _SHARE.get(None)
    if share is not None:
        return share
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    return min(count, _MOST)


@contextmanager
def on_one_core() -> Iterator[None]:
    """A context in which whatever uses all cores uses one, as in a task of `in_order`."""
    with one_blas_thread():
        token = _SHARE.set(1)
        try:
            yield
        finally:
            _SHARE.reset(token)


def one_blas_thread() -> AbstractContextManager[object]:
    """A context in which BLAS runs in the calling thread."""
    if _SHARE.get(None) is not None:  # as it does already
        return nullcontext()
    context: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return context


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
