"""The process that works on one file at a time; see `inif.many.workers` for the other end.

Ctrl-C is the parent's affair: it ends this process. So does the parent's own end.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING, Any

from inif.axes import plane_name
from inif.errors import AxesError, InifError, RemarkWarning

if TYPE_CHECKING:
    from inif.config import ProgressEvent
    from inif.image import LazyImage

_EVERY = 0.3
"""Seconds between two messages on how far a job is."""

Say = Callable[[float], None]


def main() -> None:
    """Answer jobs until the parent has no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # whatever prints must not be taken for an answer
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    common = json.loads(lines.get())
    while True:
        answers.write(json.dumps(_answer(json.loads(lines.get()), common, answers)) + "\n")


def _listen(lines: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin.buffer:
        lines.put(line.decode("utf-8"))
    os._exit(0)


def _answer(job: Mapping[str, Any], common: Mapping[str, Any], answers: IO[str]) -> dict[str, Any]:
    """What becomes of a job; every failure is a sentence under "error"."""
    begun = time.monotonic()
    last = [begun]

    def say(done: float) -> None:
        if time.monotonic() - last[0] > _EVERY:
            last[0] = time.monotonic()
            answers.write(json.dumps({"progress": round(done, 4)}) + "\n")

    work = {"compress": _compress, "evaluate": _evaluate}[job["work"]]
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", RemarkWarning)
            answer = work(job, common, say)
        remarks = dict.fromkeys(str(w.message) for w in caught)
        answer |= {"remarks": list(remarks)}
    except InifError as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": "not enough memory for this image; take fewer --jobs"}
    except Exception as error:
        hint = "this is a bug in inif, please report it"
        answer = {"error": f"{type(error).__name__}: {error}; {hint}"}
    return {"seconds": round(time.monotonic() - begun, 3), **answer}


def open_series(path: str, axes: str | None, series: int) -> LazyImage:
    """An image of a file; `axes` are for those that do not name theirs.

    Raises
    ------
    InputError
        As `inif.io.open_image`.
    """
    from inif.io import open_image
    from inif.io.common import without_several

    try:
        return without_several(open_image(path, scene=series))
    except AxesError:
        if axes is None:
            raise
        return without_several(open_image(path, axes=axes, scene=series))


def belongs_to(image: LazyImage, path: str, inputs: frozenset[str]) -> str:
    """Of the files that an image lies in, the one that stands for it: the first of the inputs."""
    real = os.path.realpath(path)
    return min({real, *(os.path.realpath(f) for f in image.files)} & (inputs | {real}))


def _compress(job: Mapping[str, Any], common: Mapping[str, Any], say: Say) -> dict[str, Any]:
    """One image into a file; of a file not looked at before, first how many it holds.

    Returns
    -------
    The facts of the file; or "images", where they are not one; or "part_of", where another file
    stands for the image.
    """
    path, series = job["path"], job["series"]
    with open_series(path, common["axes"], series or 0) as image:
        if series is None:
            if image.files:
                first = belongs_to(image, path, frozenset(common["inputs"]))
                if first != os.path.realpath(path):
                    return {"part_of": first}
            if image.images != (0,):
                return {"images": image.images}

        from inif.api import compress
        from inif.many.done import facts
        from inif.progress import Overall

        overall = Overall(by_psnr="psnr" in common["options"])

        def progress(event: ProgressEvent) -> None:
            say(overall.update(event))

        try:
            file = compress(image, out=job["out"], progress=progress, **common["options"])
        except InifError as error:
            text = str(error).replace(job["out"], job["output"])
            return {"error": text.replace(os.path.dirname(job["out"]), job["output"])}
        with file:
            found = facts(file.header, file.file_bytes)
    found.pop("remarks")
    return found


def _evaluate(job: Mapping[str, Any], common: Mapping[str, Any], say: Say) -> dict[str, Any]:
    """The figures of one pair: fields of `inif.many.result.Result`."""
    from inif.api import evaluate, open

    original: Any = job["path"]
    if job["series"] is not None:  # axes that the file does not name are those of the output
        with open(job["output"]) as file, open_series(original, file.axes, job["series"]) as i:
            original = i.load()
    tasks = common["tasks"] or None
    found = evaluate(original, job["output"], tasks=tasks, quick=common["quick"])
    worst = found.worst_slice
    return {
        "raw_bytes": found.raw_bytes,
        "file_bytes": found.file_bytes,
        "psnr": None if found.lossless else found.psnr,
        "max_error": found.max_error,
        "ssim": found.ssim,
        "worst_slice": plane_name(worst.index),
        "worst_slice_psnr": None if found.lossless else worst.psnr,
        "look_twice": found.warnings,
    }


if __name__ == "__main__":
    main()
