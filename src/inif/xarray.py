"""What xarray loads to open `.inif` files itself: ``xarray.open_dataset("cells.inif")``.

xarray loads it whenever it opens a file of any kind, so nothing else is imported until it is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, ClassVar
from weakref import finalize

import xarray as xr
from xarray.backends import BackendEntrypoint


class InifBackend(BackendEntrypoint):
    """The engine "inif" of xarray; the entry point of the group ``xarray.backends``."""

    description: ClassVar[str] = "Open compressed microscopy images (.inif)"
    open_dataset_parameters: ClassVar[tuple[str, ...] | None] = (
        "filename_or_obj",
        "drop_variables",
    )

    def open_dataset(
        self, filename_or_obj: Any, *, drop_variables: str | Iterable[str] | None = None
    ) -> xr.Dataset:
        """Open a path, a URL, bytes or a binary file object; samples are decoded on request.

        Raises
        ------
        FormatError, UnsupportedError, InputError
            As `inif.open`.
        """
        from inif.decode.file import open_file
        from inif.decode.xarrays import dataset_of

        file = open_file(filename_or_obj)
        finalize(file, file.container.close)
        dataset = dataset_of(file)
        if drop_variables is not None:
            dataset = dataset.drop_vars(drop_variables, errors="ignore")
        dataset.set_close(file.close)
        return dataset

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether a path or URL ends in ``.inif``, or bytes or a file object begin as files do."""
        from inif.container.spec import MAGIC

        if isinstance(filename_or_obj, str | os.PathLike):
            place = os.fspath(filename_or_obj).lower()
            return place.endswith(".inif") or place.split("?")[0].endswith(".inif")
        if isinstance(filename_or_obj, bytes | memoryview):
            return bytes(filename_or_obj[: len(MAGIC)]) == MAGIC
        if not (hasattr(filename_or_obj, "read") and hasattr(filename_or_obj, "seek")):
            return False
        place = filename_or_obj.tell()
        filename_or_obj.seek(0)
        begin = filename_or_obj.read(len(MAGIC))
        filename_or_obj.seek(place)
        return bool(begin == MAGIC)
