"""The codec `inif` of Zarr v2 and of whatever else uses numcodecs: a compressor of arrays.

Of a chunk, numcodecs gives the bytes alone when it is read. So the configuration says what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ndarray_copy

from inif.errors import InputError
from inif.zarr.coding import NAME, Coding, whole


class InifV2(Codec):
    """The codec of Zarr v2: ``zarr.create_array(..., zarr_format=2, compressors=InifV2(...))``.

    Parameters
    ----------
    shape
        Of a chunk.
    dtype
        Of the array.
    fill_value
        Of the array: what it has at the ends of a chunk's axes is not coded.
    coding
        As `inif.zarr.InifCodec` takes it: axes and one of step, max_error and lossless.

    Raises
    ------
    InputError, UnsupportedError
        A configuration that cannot be used.
    """

    codec_id = NAME

    def __init__(self, *, shape: Any, dtype: Any, fill_value: Any = 0, **coding: Any) -> None:
        good = isinstance(shape, list | tuple) and all(isinstance(n, int) and n > 0 for n in shape)
        if not good:
            raise InputError(
                "the codec inif cannot be configured so",
                field="shape",
                expected="the shape of a chunk",
                got=shape,
            )
        self.shape, self.dtype, self.fill_value = tuple(shape), np.dtype(dtype), fill_value
        self.coding = Coding(**Coding.known(coding))
        self.coding.check(self.shape, self.dtype)

    def encode(self, buf: Any) -> bytes:
        """The payload of a chunk: an array of its shape, or its bytes in C order.

        Raises
        ------
        InputError
            It is of another shape, or of Fortran order.
        """
        chunk = np.asarray(buf) if hasattr(buf, "dtype") else np.frombuffer(buf, np.uint8)
        if chunk.ndim == 1 and chunk.nbytes == self.dtype.itemsize * int(np.prod(self.shape)):
            chunk = chunk.view(self.dtype).reshape(self.shape)
        if chunk.shape != self.shape or chunk.dtype != self.dtype or not chunk.flags.c_contiguous:
            raise InputError(
                "the chunk is not as the codec's configuration has it",
                expected=f"{self.dtype} of shape {self.shape}, in C order",
                got=f"{chunk.dtype} of shape {chunk.shape}",
            )
        return self.coding.packed(chunk, self.fill_value)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """A chunk of its payload, in the array's own byte order.

        Raises
        ------
        FormatError, UnsupportedError
            The payload cannot be decoded.
        """
        data = np.asarray(memoryview(buf)).tobytes()
        file = self.coding.opened(data, self.shape, self.dtype)
        samples = self.coding.samples(file, whole(self.shape), self.fill_value)
        return ndarray_copy(samples.astype(self.dtype, copy=False), out)

    def get_config(self) -> dict[str, Any]:
        """The configuration, as the array's metadata have it."""
        own = {"shape": list(self.shape), "dtype": self.dtype.str, "fill_value": self.fill_value}
        return {"id": self.codec_id, **self.coding.to_json(), **own}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The inverse of `get_config`."""
        return cls(**{key: value for key, value in config.items() if key != "id"})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InifV2) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash((self.coding, self.shape, self.dtype.str, str(self.fill_value)))
