"""Zarr: the codec `inif` for arrays of any size, and open `.inif` files as stores.

Importing this registers the codec; where inif is installed, Zarr finds it by itself.
"""

from numcodecs.registry import register_codec as _register_v2
from zarr.registry import register_codec as _register

from inif.zarr.codec import InifCodec as InifCodec
from inif.zarr.coding import NAME
from inif.zarr.store import InifStore as InifStore
from inif.zarr.v2 import InifV2 as InifV2

_register(NAME, InifCodec)
_register_v2(InifV2)

__all__ = ["InifCodec", "InifStore", "InifV2"]
