"""Images in and out: one module per family of formats, chosen by what a file holds.

Every reader gives an `inif.image.LazyImage`, every writer takes an `ImageSource`. The libraries
that know the formats are imported inside the functions that need them, so importing this is cheap.
"""

from inif.io.ome import parse_ome_xml, to_ome_xml
from inif.io.ome_update import ome_document
from inif.io.registry import (
    check_output,
    detect,
    open_image,
    output_format,
    read_image,
    write_image,
)

__all__ = [
    "check_output",
    "detect",
    "ome_document",
    "open_image",
    "output_format",
    "parse_ome_xml",
    "read_image",
    "to_ome_xml",
    "write_image",
]
