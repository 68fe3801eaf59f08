"""Who does the work: threads of this process, processes of this machine, or a cluster.

All of them take calls and give results in the order in which they are done. Only a few calls for
each worker are under way at once, so that a million shards need no room.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import queue
import signal
import threading
import time
import uuid
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, Protocol

from inif.errors import InputError, MissingExtraError
from inif.fields.parallel import cores, on_one_core

Call = Callable[[Any, Callable[[], bool]], Any]
"""From a task, and whether to give up, to a result."""

ATTEMPTS = 3
"""How often a call is tried before the work ends."""

_TICK, _LOOK, _JOIN = 0.2, 5.0, 20.0
"""Seconds between two looks at the scheduler and at how many workers there are, and that it is
waited for at first."""

MEMORY = 1_500_000_000
"""Bytes of a worker process of this machine, unless something else is asked for."""


class Engine(Protocol):
    """Does calls."""

    @property
    def window(self) -> int:
        """Calls that are worth to be under way at once."""

    @property
    def link(self) -> str | None:
        """Of a page that shows the workers; None where there is none."""

    def submit(self, name: Hashable, call: Call, task: Any) -> None:
        """Begin a call."""
        ...

    def wait(self) -> tuple[Any, Any]:
        """Name and result of a call that is done; an exception is a result, too.

        Raises
        ------
        InputError
            Nobody is left to do the calls.
        """
        ...


class Threads:
    """Threads of this process; the core and most readers let them work at the same time."""

    link: str | None = None

    def __init__(self, workers: int) -> None:
        self.window = 2 * workers
        self._pool = ThreadPoolExecutor(workers)
        self._stop = threading.Event()
        self._done: queue.SimpleQueue[tuple[Hashable, Future[Any]]] = queue.SimpleQueue()

    def submit(self, name: Hashable, call: Call, task: Any) -> None:
        """As of every engine."""
        context = contextvars.copy_context()
        future = self._pool.submit(context.run, call, task, self._stop.is_set)
        future.add_done_callback(lambda future: self._done.put((name, future)))

    def wait(self) -> tuple[Any, Any]:
        """As of every engine."""
        while True:
            with contextlib.suppress(queue.Empty):
                name, future = self._done.get(timeout=_TICK)
                return name, future.exception() or future.result()

    def close(self) -> None:
        """Begin nothing any more; what is under way ends after the chunk that it is at."""
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)


class Cluster:
    """Workers of dask.distributed."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.link: str | None = client.dashboard_link or None
        self._run = uuid.uuid4().hex[:8]
        self._done: queue.SimpleQueue[tuple[Hashable, Any]] = queue.SimpleQueue()
        self._count = self._threads = 0
        self._looked = -_LOOK

    @property
    def window(self) -> int:
        """As of every engine; a cluster may grow."""
        if time.monotonic() > self._looked + _LOOK:
            with contextlib.suppress(OSError):  # `wait` tells what is wrong
                self._threads = sum(self._client.nthreads().values())
            self._looked = time.monotonic()
        return max(3 * self._threads, 3)

    def submit(self, name: Hashable, call: Call, task: Any) -> None:
        """As of every engine."""
        self._count += 1
        key = f"{call.__name__}-{self._run}-{self._count}"
        self._when_done(name, self._client.submit(call, task, key=key, pure=False))

    def _when_done(self, name: Hashable, future: Any) -> None:
        future.add_done_callback(lambda future: self._done.put((name, future)))

    def wait(self) -> tuple[Any, Any]:
        """As of every engine."""
        from distributed.comm.core import CommClosedError

        while True:
            if self._client.status != "running":
                raise InputError(
                    "the scheduler is gone",
                    field="scheduler",
                    got=self._client.status,
                    fix="start it again; then the same command goes on where it stopped",
                )
            try:
                name, future = self._done.get(timeout=_TICK)
            except queue.Empty:
                continue
            with contextlib.suppress(CommClosedError):
                if future.status in ("finished", "error"):
                    return name, future.exception() or future.result()
            if future.cancelled():  # by its cluster, or because the scheduler is gone
                time.sleep(_TICK)
                if self._client.status == "running":
                    return name, CancelledError()
                continue
            self._when_done(name, future)  # its worker went with the result: another does it again


@contextlib.contextmanager
def engine(
    workers: int | None = None, scheduler: str | None = None, memory: int | None = None
) -> Iterator[Engine]:
    """Whoever is asked for.

    Parameters
    ----------
    workers
        Processes on this machine; None for threads of this one, one for each core.
    scheduler
        Address of a scheduler of dask.distributed instead, whose workers see the same files.
    memory
        Bytes of all processes together; by default 1.5 GB for each.

    Raises
    ------
    InputError
        Both are asked for, or the scheduler cannot be reached.
    MissingExtraError
        dask.distributed is not installed.
    """
    if workers is not None and scheduler is not None:
        raise InputError(
            "the work is done by workers of this machine or by those of a scheduler",
            field="workers, scheduler",
            expected="one of them",
        )
    if workers is None and scheduler is None:
        threads = Threads(cores())
        try:
            with on_one_core():
                yield threads
        finally:
            threads.close()
        return
    try:
        import distributed
    except ImportError as error:
        if error.name not in ("dask", "distributed"):
            raise
        need = "work by several processes"
        raise MissingExtraError("distributed", "cluster", need=need) from None
    with contextlib.ExitStack() as stack:
        if scheduler is None:
            assert workers is not None
            place = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    memory_limit=MEMORY if memory is None else memory // workers,
                    dashboard_address=":0",
                    silence_logs=logging.CRITICAL,  # what fails is told by the work itself
                )
            )
        else:
            place = scheduler
        try:
            client = stack.enter_context(distributed.Client(place, timeout=_JOIN))
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(
                "the scheduler cannot be reached",
                field="scheduler",
                got=f"{scheduler}: {error}",
                fix="name the address that the scheduler prints, as in tcp://host:8786",
            ) from None
        if scheduler is None:
            client.register_plugin(_unmoved())
        yield Cluster(client)


def _unmoved() -> Any:
    """Lets workers of this machine leave Ctrl-C to the process that began them."""
    from distributed import WorkerPlugin

    class Unmoved(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Unmoved()
