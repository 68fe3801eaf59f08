"""The public verbs; each imports what it needs when called, so that `import inif` is light."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from inif.errors import extras_named

if TYPE_CHECKING:
    from threading import Event

    import numpy as np

    from inif.config import ProgressEvent
    from inif.decode.file import File
    from inif.image import Image, LazyImage
    from inif.metrics.report import Evaluation
    from inif.metrics.tasks import Task


@extras_named()
def compress(
    image: str | PathLike[str] | np.ndarray | Image | LazyImage,
    *,
    out: str | PathLike[str] | None = None,
    overwrite: bool = False,
    ratio: float | None = None,
    size: int | None = None,
    psnr: float | None = None,
    max_error: float | str | None = None,
    method: str = "auto",
    codec: str | None = None,
    select: str = "psnr",
    share: float = 0.0,
    effort: int = 3,
    optimizer: str = "auto",
    guide: str | Sequence[str] = (),
    lossless: bool = False,
    axes: str | None = None,
    seed: int = 0,
    time_limit: float | None = None,
    keep_partial: bool = False,
    memory: int | None = None,
    progress: Callable[[ProgressEvent], None] | None = None,
    stop: Event | None = None,
    settings: dict[str, Any] | None = None,
) -> File:
    """Compress an image to an exact ratio, a size, a quality, or a bound of every sample's error.

    Parameters
    ----------
    image
        A path, an `inif.image.Image` or `LazyImage`, or an array of 1 to 5 axes (then `axes` names
        them).
    out
        Where to write; without it the file stays in memory. Whether this can be done is checked
        before the work.
    overwrite
        Whether an existing `out` is replaced; the image itself never is.
    ratio, size, psnr
        The target, exactly one: raw bytes over file bytes (met when target ≤ ratio ≤ 1.01 ×
        target), bytes of the file, or PSNR in dB of every channel that varies.
        None of them: ratio 128.
    max_error
        Another target: by how much any sample may be off at most, in the samples' unit (3, 0.25) or
        as a share of the range of its channel ("0.5%"). 0 keeps every sample exactly, as `lossless`
        does, by whatever takes fewer bytes. Of samples of any type; NaN and infinity stay.
    method
        "latent": quantised grids of several resolutions, the same samples on every machine.
        "hybrid": a codec's streams and a field that repairs them. "siren": a pure field. "auto":
        what a trial finds better; the header's ``lossy.auto`` says why.
    codec
        The codec of a hybrid, one of `inif.codecs.CODECS`; where none is named, "auto" chooses, and
        "hybrid" takes "av1".
    select
        By what a hybrid judges each frame when it keeps the repair or leaves it: "psnr", "ssim", or
        a task on its plane, as in "spots", "mask:tophat", "objects:otsu,sigma=3", "frc",
        "intensity:labels=FILE" (docs/metrics.md, "Tasks").
    share
        Share of a hybrid's bytes for a pure field that is fitted to what codec and repair left:
        0.1 is the paper's way. By default 0, because it has not paid (docs/decisions/0007).
    effort
        1 (quickest) to 9 (best). Each step doubles the steps of a pure field's fit; a hybrid gets
        slower presets of its codec and more encodes (docs/hybrid.md).
    optimizer
        "auto", a name of `inif.optim.optimizers`, or "name:rate".
    guide
        What guides a file besides squared error, one or several: "filaments",
        "blobs" (with settings, as in "filaments:sigma=1.5"), "perceptual[:CLEAN_FILE]",
        "mask:FILE", "python:MODULE:FUNCTION". A `GuidanceWarning` where one has nothing to say;
        the fit then goes on without it.
    lossless
        Store the samples exactly, by the codec that makes them smallest, whatever their type: for
        labels, masks and whatever must not change. No target, method or other way to lose less.
    axes
        One letter of "TCZYX" per axis; needed where the image does not name them.
    seed
        Of everything random; the same seed on the same machine gives the same bytes.
    time_limit
        Seconds for the whole job, about; the fit stops in time for it.
    keep_partial
        Whether Ctrl-C keeps the best so far, if there is something worth it; the file then says
        ``lossy.stopped`` "interrupt". A second Ctrl-C always ends the work.
    memory
        Bytes that the work may take for samples and what becomes of them, about; by default a
        quarter of the machine's memory, at least 1 GB. It does not grow with the image, except
        for pure fields, whose samples wait in a file beside `out`.
    progress
        Called with `inif.config.ProgressEvent`s.
    stop
        Set by another thread, it ends the work as Ctrl-C ends that of the main thread, with nothing
        kept: within about a second there is a `KeyboardInterrupt`.
    settings
        Changes to single fields of `inif.config.FitSettings`, for studies.

    Raises
    ------
    InputError, AxesError, BudgetError
        The image, an option or the target cannot be used; `out` exists or cannot be written.

    Warns
    -----
    RemarkWarning
        What the user must know and did not ask: what was not kept, what looks wrong.
    """
    import os

    from inif.config import ProgressEvent
    from inif.decode.file import open_file
    from inif.image import check_image
    from inif.outputs import check_room, check_target, write_file

    if out is not None:
        source = getattr(image, "source", image)
        check_target(out, overwrite=overwrite, field="out", inputs=[source])
    from inif.encode.asked import check_asked

    asked = check_asked(
        ratio=ratio,
        size=size,
        psnr=psnr,
        max_error=max_error,
        method=method,
        codec=codec,
        select=select,
        share=share,
        effort=effort,
        optimizer=optimizer,
        guide=guide,
        lossless=lossless,
        seed=seed,
        time_limit=time_limit,
        keep_partial=keep_partial,
        memory=memory,
        settings=settings,
    )

    from inif.container.spool import Spool
    from inif.encode.run import compressed

    if progress is not None and isinstance(image, str | PathLike):
        progress(ProgressEvent("read", 0, 1, None, 0.0, None))
    checked = check_image(as_source(image, axes), lossless=asked.any_type)
    if (
        out is not None
        and asked.target
        and (window := asked.target.window(checked.raw_bytes, checked.source))
    ):
        check_room(out, window.most, field="out")
    with Spool(None if out is None else os.path.dirname(os.path.realpath(out))) as spool:
        data = compressed(checked, asked, spool, progress, stop)
        if out is None:
            return open_file(data.to_bytes())
        if progress is not None:
            progress(ProgressEvent("write", 0, 1, None, 0.0, None))
        write_file(out, data, overwrite=overwrite)
    return open_file(out)


def open(source: object, *, device: str | None = None) -> File:
    """Open a ``.inif`` file: path, URL, bytes or binary file object. Samples stay undecoded.

    Parameters
    ----------
    device
        Where a pure field (``method="siren"``) is evaluated: by JAX on the first device of one of
        its platforms, such as "gpu". Its samples may then differ from everybody else's by rounding.
        By default NumPy evaluates on the CPU.

    Raises
    ------
    FormatError, UnsupportedError, InputError
        The file cannot be opened, is damaged, or needs a newer release; it is no pure field, or
        there is no such device.
    """
    from inif.decode.file import open_file

    return open_file(source, device)


def imread(source: object) -> np.ndarray:
    """All samples of a ``.inif`` file: path, URL, bytes or binary file object.

    Raises
    ------
    FormatError, UnsupportedError, InputError
        As `open`.
    """
    import numpy as np

    with open(source) as file:
        return np.asarray(file)


def inspect(source: object) -> dict[str, Any]:
    """What a file says of itself, from header and section table alone.

    Raises
    ------
    FormatError, UnsupportedError, InputError
        As `open`.
    """
    import math

    import numpy as np

    from inif.container.reader import open_container
    from inif.container.spec import VERSION

    with open_container(source) as container:
        header = container.header
        itemsize = np.dtype(header["dtype"]).itemsize
        voxels = math.prod(header["shape"])
        return {
            "file": container.name,
            "version": VERSION,
            **header,
            "raw_bytes": voxels * itemsize,
            "file_bytes": container.file_bytes,
            "ratio": voxels * itemsize / container.file_bytes,
            "bits_per_voxel": 8 * container.file_bytes / voxels,
            "bricks": math.prod(container.grid),
            "sections": [
                {"kind": s.kind.decode("ascii", "replace"), "brick": s.brick, "bytes": s.length}
                for s in list(container.sections)[:1000]
            ],
        }


def verify(source: object) -> dict[str, Any]:
    """Check every checksum, decode every brick, and compare with the encoder's own decode.

    A store that `compress_zarr` has written is checked against its manifest, which lies beside it.

    Raises
    ------
    FormatError, UnsupportedError, InputError
        The file cannot be opened at all.
    """
    import os

    if isinstance(source, str | os.PathLike) and os.path.isdir(source):
        from inif.scale.verify import verify_store

        return verify_store(source)
    from inif.decode.verify import verify_file

    return verify_file(source)


@extras_named()
def evaluate(
    original: Any,
    compressed: Any,
    *,
    axes: str | None = None,
    tasks: str | Task | Sequence[str | Task] | None = None,
    against: Any = None,
    quick: bool = False,
) -> Evaluation:
    """Compare an original with its compressed file; the honest report.

    Parameters
    ----------
    original
        A path, an `Image`, or an array.
    compressed
        A ``.inif`` path or `File`, or anything `original` may be.
    axes
        One letter of "TCZYX" per axis, where neither side names them.
    tasks
        What an analysis would look for in both, as in ``("objects:otsu", "spots")``:
        docs/metrics.md, "Tasks". By default spots and noise, on a sample of planes.
    against
        Another compressed version of the original, whose figures are put beside.
    quick
        Leave out the default tasks and the search for places where structure was lost.

    Raises
    ------
    InputError
        Shapes, axes or sample types differ, or a task cannot be done.
    MissingExtraError
        A task needs an optional package.
    """
    from inif.metrics.report import evaluate as compare

    return compare(original, compressed, axes=axes, tasks=tasks, against=against, quick=quick)


def as_image(image: Any, axes: str | None) -> Image:
    """A path, array or `Image` as an `Image`, whole in memory.

    Raises
    ------
    AxesError, InputError
        The axes are unknown, or the image cannot be read.
    """
    source = as_source(image, axes)
    return source.load()


def as_source(image: Any, axes: str | None) -> Image | LazyImage:
    """A path, array or image as an image that is read region by region.

    Raises
    ------
    AxesError, InputError
        The axes are unknown, or the image cannot be read.
    """
    import os
    from dataclasses import replace

    import numpy as np

    from inif.axes import check_axes
    from inif.image import Image, LazyImage

    if isinstance(image, Image | LazyImage):
        return image if axes is None else replace(image, axes=axes)
    if isinstance(image, str | os.PathLike):
        from inif.io import open_image

        return open_image(image, axes=axes)
    data = np.asarray(image)
    return Image(data, check_axes(axes, data.shape, file="<array>"), source="<array>")
