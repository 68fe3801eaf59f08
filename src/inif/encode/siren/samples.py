"""All samples of an image, for points that are picked from anywhere in it."""

from __future__ import annotations

import tempfile

import numpy as np

from inif.bricks import parts_of
from inif.encode.job import Job
from inif.errors import InputError

_SHARE = 4
"""Of the memory that a job may take: up to one of so many parts, samples are kept in memory."""


def gathered(job: Job) -> np.ndarray:
    """The samples that are coded, in the image's shape and dtype; do not write to them.

    Where they are many they are a memory map of a temporary file without a name, which lies in the
    folder of the job's spool.

    Raises
    ------
    InputError
        The image cannot be read, or the temporary file cannot be written.
    """
    image = job.coded
    if image.raw_bytes <= job.memory // _SHARE:
        return image.read(tuple(slice(0, n) for n in image.shape))
    folder = job.spool.folder if job.spool else tempfile.gettempdir()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            for region in parts_of(image.shape, image.dtype.itemsize):
                job.interrupt.check()
                file.write(image.read(region).data)
            file.flush()
            return np.memmap(file, image.dtype, "r", shape=image.shape)
    except OSError as error:
        raise InputError(
            "the temporary file of the image's samples cannot be written",
            file=folder,
            got=error.strerror or error,
            fix="free some space in this folder, or write to another one",
        ) from error
