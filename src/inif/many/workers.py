"""Processes that each work on one file at a time; one that dies costs that file only.

A process is this Python with `inif.many.worker`: it gets a job as a line of JSON, and answers in
lines of JSON. It ends when this end of its pipe is closed, so none outlives its parent.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

Job = Mapping[str, Any]
"""What is to be done, in JSON types; "work" says which kind of it."""

_TICK = 0.2


class Workers:
    """Some processes, which start when there is work.

    Parameters
    ----------
    count
        Of the processes.
    common
        What all jobs share, in JSON types; it is sent once to each process.
    """

    def __init__(self, count: int, common: Mapping[str, Any]) -> None:
        self._count, self._common = count, json.dumps(common)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[tuple[Job, dict[str, Any]]] = queue.SimpleQueue()
        self._processes: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._open = 0
        self._closed = False

    def add(self, job: Job) -> None:
        """Have it done after all that were added before it."""
        self._open += 1
        self._jobs.put(job)
        if len(self._threads) < self._count:
            self._threads.append(threading.Thread(target=self._serve, daemon=True))
            self._threads[-1].start()

    def events(self) -> Iterator[tuple[Job, dict[str, Any]]]:
        """What processes say of their jobs, until all are done; more may be added meanwhile.

        A message with "progress" (0 to 1) is followed by others; any other is the job's last.
        """
        while self._open:
            try:
                job, message = self._events.get(timeout=_TICK)
            except queue.Empty:
                continue
            if "progress" not in message:
                self._open -= 1
            yield job, message

    def close(self) -> None:
        """End all processes at once."""
        with self._lock:
            self._closed = True
            processes = list(self._processes)
        for process in processes:
            process.kill()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        process: subprocess.Popen[str] | None = None
        while (job := self._jobs.get()) is not None:
            try:
                if process is not None and process.poll() is not None:
                    _release(process)
                    process = None
                if process is None:
                    process = self._start()
                self._events.put((job, self._ask(process, job)))
            except OSError as error:
                if self._closed:
                    break
                self._events.put((job, {"error": f"no process could be started: {error.strerror}"}))
        if process is not None:
            _release(process)

    def _start(self) -> subprocess.Popen[str]:
        with self._lock:
            if self._closed:
                raise OSError("closed")
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "inif.many.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=None if os.environ.get("INIF_DEBUG") == "1" else subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
            )
            self._processes.add(process)
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # what has died says so to its first job
            process.stdin.write(self._common + "\n")
        return process

    def _ask(self, process: subprocess.Popen[str], job: Job) -> dict[str, Any]:
        """The last message of a job; those before it are passed on."""
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):  # what has died says so below
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
        for line in process.stdout:
            if not line.endswith("\n"):  # it died while it wrote
                break
            message: dict[str, Any] = json.loads(line)
            if "progress" not in message:
                return message
            self._events.put((job, message))
        with self._lock:
            self._processes.discard(process)
        return {"error": _ended(process.wait())}


def _release(process: subprocess.Popen[str]) -> None:
    """Let go of a process that has ended, or ends when its pipe is closed."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # bytes that it did not take
                pipe.close()
    process.wait()


def _ended(code: int) -> str:
    """How a process ended that did not answer."""
    if code >= 0:
        return f"the process that worked on it ended with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = "; is there too little memory? take fewer --jobs" if name == "SIGKILL" else ""
    return f"the process that worked on it was ended by {name}{hint}"
