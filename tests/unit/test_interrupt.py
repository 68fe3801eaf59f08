"""Ctrl-C: heeded at every stage, whatever native code is at work; nothing half done is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inif
from inif.config import ProgressEvent
from inif.encode.hybrid import coder
from inif.encode.interrupt import Interrupt, Progress, interruptible
from inif.errors import RemarkWarning

EVENT = ProgressEvent("encode", 0, 1, None, 0.0, None)


def stack() -> np.ndarray:
    z, y, x = np.mgrid[:6, :96, :80]
    wave = 2000 + 1500 * np.sin(x / 7 + z / 3) * np.cos(y / 9)
    noise = np.random.default_rng(0).normal(0, 60, wave.shape)
    return (wave + noise).astype(np.uint16)


def at(stage: str, number: int = 1) -> Callable[[ProgressEvent], None]:
    """A progress callback that is interrupted when it hears of a stage for the n-th time."""
    seen: list[str] = []

    def progress(event: ProgressEvent) -> None:
        seen.append(event.stage)
        if event.stage == stage and seen.count(stage) == number:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize(
    ("stage", "number", "codec"),
    [
        ("trial", 2, "av1"),
        ("encode", 1, "hevc"),
        pytest.param("check", 1, "av1", marks=pytest.mark.slow),
    ],
)
def test_nothing_is_written_at_any_stage(
    tmp_path: Path, stage: str, number: int, codec: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        inif.compress(
            stack(),
            axes="ZYX",
            size=3000,
            effort=1,
            codec=codec,
            out=tmp_path / "a.inif",
            progress=at(stage, number),
        )
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def whole() -> float:
    """The PSNR in dB of a file that was not interrupted, and does not say that it was."""
    options: dict[str, Any] = {"axes": "ZYX", "size": 3000, "effort": 1, "codec": "av1"}
    file = inif.compress(stack(), **options, keep_partial=True)
    assert "stopped" not in file.header["lossy"]
    assert 3000 / 1.01 <= file.file_bytes <= 3000
    return float(file.header["lossy"]["psnr"])


@pytest.mark.parametrize(
    ("stage", "number", "codec"),
    [
        ("encode", 1, "jpeg2000"),
        pytest.param("check", 1, "av1", marks=pytest.mark.slow),
    ],
)
def test_what_is_kept_is_what_was_under_way(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: float,
    codec: str,
    stage: str,
    number: int,
) -> None:
    monkeypatch.setattr(coder, "_WORTH_KEEPING", 0.3)  # versions of encoders differ
    out, progress = tmp_path / "a.inif", at(stage, number)
    options: dict[str, Any] = {"axes": "ZYX", "size": 3000, "effort": 1, "codec": codec}
    with pytest.warns(RemarkWarning, match="interrupted"):
        inif.compress(stack(), **options, out=out, progress=progress, keep_partial=True).close()
    with inif.open(out) as file:
        assert file.header["lossy"]["stopped"] == "interrupt"
        assert file.header["codec"]["kind"] == codec
        if codec == "av1":
            assert file.header["lossy"]["psnr"] > whole - 3
        assert 3000 / 1.01 <= file.file_bytes <= 3000
    assert inif.verify(out)["ok"]


def test_what_is_not_near_the_target_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        inif.compress(
            stack(),
            axes="ZYX",
            size=3000,
            effort=1,
            codec="av1",
            out=tmp_path / "a.inif",
            progress=at("trial"),
            keep_partial=True,
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("keep", [False, True])
def test_nothing_of_a_trial_of_methods_is_kept(tmp_path: Path, keep: bool) -> None:
    """It works on a sample, of which no file can be made."""
    out = tmp_path / "a.inif"
    with pytest.raises(KeyboardInterrupt):
        inif.compress(
            stack(), axes="ZYX", ratio=20, out=out, progress=at("trial"), keep_partial=keep
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_second_time_it_always_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coder, "_WORTH_KEEPING", 0.3)
    heard: list[str] = []

    def progress(event: ProgressEvent) -> None:
        heard.append(event.stage)
        if event.stage in ("encode", "check"):
            raise KeyboardInterrupt

    out = tmp_path / "a.inif"
    with pytest.raises(KeyboardInterrupt):
        inif.compress(
            stack(), axes="ZYX", size=3000, codec="jpeg2000", out=out, progress=progress, effort=1,
            keep_partial=True,
        )  # fmt: skip
    assert heard[-1] == "check"
    assert not list(tmp_path.iterdir())


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """SIGINT means KeyboardInterrupt, also where the tests were started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def signalled(work: Callable[[Progress | None], Any], interrupt: Interrupt, **options: Any) -> Any:
    """The work, during which this process gets SIGINT once the work has begun."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("Ctrl-C ends a worker of pytest-xdist: pytest -n 0 runs this test")
    begun = threading.Event()

    def watched(told: Progress | None) -> Any:
        begun.set()
        return work(told)

    def send() -> None:
        begun.wait()
        os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        return interruptible(watched, interrupt, **options)
    finally:
        sender.join()


def test_a_caller_leaves_work_that_does_not_look() -> None:
    release, ended = threading.Event(), threading.Event()

    def deaf(told: Progress | None) -> None:
        release.wait()
        ended.set()

    with pytest.raises(KeyboardInterrupt):
        signalled(deaf, Interrupt())
    assert not ended.is_set()
    release.set()
    assert ended.wait(60)


def test_a_caller_waits_for_what_is_kept() -> None:
    interrupt = Interrupt()

    def keeping(told: Progress | None) -> str:
        with pytest.raises(KeyboardInterrupt):
            interrupt.wait(Future())
        interrupt.keep()
        interrupt.check()
        return "the best so far"

    assert signalled(keeping, interrupt, keep=True) == "the best so far"


def test_work_ends_where_it_reports_when_nobody_waits() -> None:
    interrupt, release = Interrupt(), threading.Event()
    ended: Future[BaseException] = Future()

    def work(told: Progress | None) -> None:
        release.wait()
        try:
            assert told is not None
            told(EVENT)
        except BaseException as error:
            ended.set_result(error)

    with pytest.raises(KeyboardInterrupt):
        signalled(work, interrupt, progress=lambda event: None)
    release.set()
    assert isinstance(ended.result(60), KeyboardInterrupt)


def test_results_errors_and_progress_pass_through() -> None:
    heard: list[tuple[ProgressEvent, threading.Thread]] = []

    def work(told: Progress | None) -> int:
        assert told is not None
        told(EVENT)
        return 7

    def listen(event: ProgressEvent) -> None:
        heard.append((event, threading.current_thread()))

    assert interruptible(work, Interrupt(), listen) == 7
    assert heard == [(EVENT, threading.current_thread())]

    def broken(event: ProgressEvent) -> None:
        raise TimeoutError("theirs")

    with pytest.raises(TimeoutError, match="theirs"):
        interruptible(work, Interrupt(), broken)
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda told: 1 // 0, Interrupt())


CHILD = """
import sys, threading, time
import inif.api
from inif.config import ProgressEvent

def deaf(job, window):
    print("at work", flush=True)
    time.sleep(600)

import inif.encode.choose
inif.encode.choose.encode = deaf
from inif.__main__ import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send")
@pytest.mark.parametrize(
    ("flags", "sent", "code"),
    [
        ([], signal.SIGINT, 130),
        (["--json"], signal.SIGINT, 130),
        ([], signal.SIGTERM, 143),
    ],
)
def test_the_program_ends_at_once(
    tmp_path: Path, flags: list[str], sent: signal.Signals, code: int
) -> None:
    np.save(tmp_path / "a.npy", stack())
    words = ["compress", "a.npy", "--axes", "ZYX", "-o", "o.inif", *flags]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "at work\n"
    child.send_signal(sent)
    out, err = child.communicate(timeout=300)  # not the ten minutes of its sleep
    assert child.returncode == code
    assert "nothing was written" in (out if flags else err)
    assert [p.name for p in tmp_path.iterdir()] == ["a.npy"]


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send")
@pytest.mark.parametrize("wait", [0.0, 1.0, pytest.param(3.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize("flags", [[], ["--keep-partial"]], ids=str)
def test_at_any_moment_it_is_130_or_a_file_that_says_so(
    tmp_path: Path, wait: float, flags: list[str]
) -> None:
    np.save(tmp_path / "a.npy", np.tile(stack(), (2, 2, 2)))
    words = ["compress", "a.npy", "--axes", "ZYX", "-o", "o.inif", "--effort", "2", "-q", *flags]
    child = subprocess.Popen(
        [sys.executable, "-m", "inif", *words, "--ratio", "60"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(wait)
    child.send_signal(signal.SIGINT)
    code = child.wait(timeout=300)
    out = tmp_path / "o.inif"
    assert not list(tmp_path.glob(".*"))
    if code in (130, -signal.SIGINT):  # the latter before Python has begun
        assert not out.exists()
        return
    stopped = inif.inspect(out)["lossy"].get("stopped")
    assert (code, stopped) in [(0, None), (3, "interrupt")]
    assert flags or code == 0
    assert inif.verify(out)["ok"]


@pytest.mark.parametrize("keep", [False, True])
def test_an_event_ends_the_work_in_any_thread(keep: bool) -> None:
    stop, interrupt, ended = threading.Event(), Interrupt(), threading.Event()

    def work(told: Progress | None) -> None:
        assert told is not None
        told(EVENT)
        while not interrupt.asked:  # as native code that reports nothing
            time.sleep(0.01)
        with pytest.raises(KeyboardInterrupt):
            interrupt.check()
        ended.set()

    def caller() -> str:
        try:
            interruptible(work, interrupt, lambda event: stop.set(), keep=keep, stop=stop)
        except KeyboardInterrupt:
            return "left"
        return "done"

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(caller).result(timeout=30) == "left"
    assert ended.wait(30)
