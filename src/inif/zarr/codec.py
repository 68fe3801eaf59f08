"""The codec `inif` of Zarr v3: from a chunk of samples to bytes, and back, whole or in part."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from zarr.abc.codec import ArrayBytesCodec, ArrayBytesCodecPartialDecodeMixin

from inif.decode.file import File
from inif.errors import InputError
from inif.zarr.coding import NAME, Box, Coding, box_of, whole
from inif.zarr.kept import Kept

if TYPE_CHECKING:
    from zarr.abc.store import ByteGetter
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer


@dataclass(frozen=True, kw_only=True)
class InifCodec(Coding, ArrayBytesCodec, ArrayBytesCodecPartialDecodeMixin):
    """The array-to-bytes codec `inif`: its parameters are those of `Coding`.

    ``zarr.create_array(..., serializer=InifCodec(axes="TCZYX", step=20), compressors=None)``;
    within shards too. What it gives is not compressed any further.

    Attributes
    ----------
    kept
        Chunks of which parts were read last, of at most half a chunk each: up to 256 MB.
    """

    is_fixed_size = False
    kept: Kept = field(default_factory=Kept, init=False, repr=False, compare=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The codec of its metadata.

        Raises
        ------
        InputError, UnsupportedError
            Metadata that are not understood.
        """
        configuration = data.get("configuration")
        if data.get("name") != NAME or not isinstance(configuration, Mapping):
            raise InputError(
                "these are not the metadata of the codec inif",
                expected=f'the name "{NAME}" and a configuration',
                got=dict(data),
            )
        return cls(**cls.known(configuration))

    def to_dict(self) -> dict[str, Any]:
        """Its metadata: name and configuration."""
        return {"name": NAME, "configuration": self.to_json()}

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        """The codec itself, checked against the chunks of an array."""
        self.check(array_spec.shape, array_spec.dtype.to_native_dtype())
        return self

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        """Refuse arrays that cannot be coded so, before anything is written.

        Raises
        ------
        InputError
            Axes, type of samples or number of steps do not fit the array.
        """
        self.check(shape, dtype.to_native_dtype())
        channels = shape[self.axes.index("C")] if "C" in self.axes else 1
        if isinstance(self.step, tuple) and len(self.step) not in (1, channels):
            raise InputError(
                "the steps are not as many as the channels",
                field="step",
                expected=f"one, or {channels}",
                got=len(self.step),
            )

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Refuse: only coding a chunk tells its size."""
        raise NotImplementedError

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        data = await asyncio.to_thread(self._encoded, chunk_data.as_numpy_array(), chunk_spec)
        return chunk_spec.prototype.buffer.from_bytes(data)

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        box = whole(chunk_spec.shape)
        samples = await asyncio.to_thread(self._decoded, chunk_data, chunk_spec, box)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(samples)

    async def _decode_partial_single(
        self, byte_getter: ByteGetter, selection: Any, chunk_spec: ArraySpec
    ) -> NDBuffer | None:
        data = await byte_getter.get(prototype=chunk_spec.prototype)
        if data is None:
            return None
        box, inside = box_of(selection, chunk_spec.shape)
        samples = await asyncio.to_thread(self._decoded, data, chunk_spec, box)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(np.asarray(samples[inside]))

    def _encoded(self, chunk: np.ndarray, chunk_spec: ArraySpec) -> bytes:
        with self.kept.turns:
            return self.packed(chunk, fill_value(chunk_spec))

    def _decoded(self, data: Buffer, chunk_spec: ArraySpec, box: Box) -> np.ndarray:
        shape, dtype = chunk_spec.shape, chunk_spec.dtype.to_native_dtype()

        def opened(payload: bytes) -> File:
            return self.opened(payload, shape, dtype)

        payload = data.to_bytes()
        part = 2 * math.prod(s.stop - s.start for s in box) <= math.prod(shape)
        with self.kept.turns:
            file = self.kept.get(payload, opened) if part else opened(payload)
            return self.samples(file, box, fill_value(chunk_spec))


def fill_value(chunk_spec: ArraySpec) -> Any:
    """Of an array; Zarr v2 may have none, and then it is what Zarr takes."""
    found = chunk_spec.fill_value
    return chunk_spec.dtype.default_scalar() if found is None else found
