"""The safe ``.inif`` container, format version 1: docs/format.md is its specification."""

from inif.container.reader import Container, open_container
from inif.container.source import ByteSource, open_source
from inif.container.spec import WHOLE_FILE, Rejection
from inif.container.spool import Spool, Stored
from inif.container.table import SectionEntry, SectionTable
from inif.container.validate import clean_text, validate_header
from inif.container.writer import Packed, Section, assemble, pack, packed_size
from inif.outputs import write_file

__all__ = [
    "WHOLE_FILE",
    "ByteSource",
    "Container",
    "Packed",
    "Rejection",
    "Section",
    "SectionEntry",
    "SectionTable",
    "Spool",
    "Stored",
    "assemble",
    "clean_text",
    "open_container",
    "open_source",
    "pack",
    "packed_size",
    "validate_header",
    "write_file",
]
