"""The constants of the format, in one place so that reader, writer and docs cannot drift.

Everything here is frozen: changing a value changes the format (docs/format.md, "Compatibility").
"""

from __future__ import annotations

import enum

import google_crc32c
import numpy as np

MAGIC = b"\x89INIF\r\n\x1a"
"""High bit set, CR LF and Ctrl-Z inside: transfers that damage bytes show at once."""

TABLE_DTYPE = np.dtype(
    [
        ("kind", "S4"),
        ("brick", "<u4"),
        ("level", "<u2"),
        ("flags", "<u2"),
        ("offset", "<u8"),
        ("length", "<u8"),
        ("crc", "<u4"),
    ]
)
"""One entry of the section table of version 1; version 2 is brought into the same form."""

ENTRY_SIZE = TABLE_DTYPE.itemsize
"""Bytes of an entry, at most."""

WHOLE_FILE = 0xFFFFFFFF
"""The brick index of a section that belongs to no single brick."""

FIRST_READ = 4096
"""Bytes asked for first: prelude, header and table of most files, and all of a tiny one."""

MAX_HEADER = 1 << 20
"""Largest header, stored or inflated. A JSON byte can cost 60 bytes of memory once parsed."""

MAX_NESTING = 32
MAX_DIGITS = 20
MAX_SECTIONS = 1 << 20
MAX_BRICKS = 1 << 24
MAX_SAMPLES = 1 << 48
"""Exclusive bound on the product of the shape."""

LOSSLESS = "lossless/1"
"""The feature of files that store their samples exactly; it allows more sample types."""

CORRECTIONS = "corrections/1"
"""The feature of latent fields with corrections; it allows more sample types too."""

SUPPORTED = frozenset(
    {"siren/1", "qweights/1", "qweights/2", "hybrid/1", "hybrid/2", "conditional/1", "residual/1"}
    | {f"{c}/1" for c in ("av1", "aom", "hevc", "jpegxl", "avif", "jpeg2000", "htj2k", "sperr")}
    | {"av1/2", "aom/2", LOSSLESS, "latent/1", CORRECTIONS}
)
"""Names that a header's ``requires`` may hold for this release to read the file."""

SUPPORTED_KINDS = frozenset(
    {b"QWTS", b"OMEX", b"PRIO", b"RESF", b"OUTL", b"SAMP", b"LATN", b"LATC", b"CORR"}
)
"""Critical section kinds that this release reads."""

DICTIONARY = (
    # Rare first, common last: near matches cost fewer bits (RFC 1951, section 3.2.5).
    '"#FF00FF","#FFFF00","#00FFFF","#FFFFFF","#FF0000","#00FF00","#0000FF"'
    '"GFP","RFP","DAPI","DNA","Membrane","Channel:0:0","Channel 0"'
    '.ome.zarr",.czi",.nd2",.lif",.png",.npy",'
    '"axes":"TCYX","axes":"TZYX","axes":"TYX","axes":"CYX","axes":"CZYX","axes":"TZCYX"'
    '"axes":"TCZYX","axes":"YX","dtype":"float32","dtype":"int16","dtype":"uint8"'
    '"kind":"conditional","codec":{"kind":"av1","kind":"hevc","codec/1","conditional/1"'
    '"pixel"],"nm"],"mm"],"ms"],"min"],"s"],"T":[1.0,"target":{"psnr":40.0}"target":{"size":'
    '"channels":"coordinate","method":"hybrid","optimizer":"adam","effort":3,"steps":1000,'
    "null,null,true,false,-32768,32767],[0,255],[0.0,1.0]],"
    '{"axes":"ZYX","brick":[1,32,64,128,256,512,1024,2048],"dtype":"uint16",'
    '"field":{"channels":"outputs","kind":"siren","layers":7,"width":32},'
    '"lossy":{"encoder":"inif 0.1.0","max_error":100.0,"method":"siren","psnr":36.0,'
    '"psnr_range":[[0,1000]],"seed":0,"sha256":"0123456789abcdef","target":{"ratio":128}},'
    '"meta":{"channels":["DNA"],"colors":["#00FF00"],"name":"image.ome.tif",'
    '"scale":{"X":[0.1,"µm"],"Y":[0.1,"µm"],"Z":[0.3,"µm"]}},'
    '"range":[[0,65535]],"requires":["siren/1","qweights/1"],"shape":[64,512,512]}'
).encode()
"""Preset dictionary of the header's raw DEFLATE stream in version 1: tiny files stay tiny."""

DICTIONARY_2 = (
    '"#FF00FF","#FFFF00","#00FFFF","#FFFFFF","#FF0000","#00FF00","#0000FF"'
    '"GFP","RFP","mCherry","Hoechst","Alexa ","Cy3","Cy5","FITC","TRITC","actin","tubulin",'
    '"mitochondria","nuclei","membrane","Membrane","Channel:0:0","Channel 0","red","green","blue",'
    '"DNA".ome.zarr".czi".nd2".lif".png".npy".ome.tif"'
    '"brick":[1,16,32,64,128,192,256,384,512,768,1024,2048],"guides":["mask:","perceptual","blobs",'
    '"filaments"],"knob":32.5,"select":"spots","stopped":"interrupt","colors":["#00FF00"],'
    '"pixel"],"nm"],"mm"],"ms"],"min"],"T":[1.0,"s"]}},"target":{"psnr":40.0},'
    '"target":{"size":10000},"dtype":"int16","range":[[-32768,32767]],'
    '"dtype":"float32","range":[[-1.0,1.0],'
    '"requires":["hybrid/1","residual/1","sperr/1","htj2k/1","avif/1","jpegxl/1","hevc/1",'
    '"codec":{"kind":"sperr","codec":{"kind":"htj2k","codec":{"kind":"avif",'
    '"codec":{"kind":"jpegxl","codec":{"kind":"hevc","order":"ZT~","order":"TZ"},"range":'
    '"none"},"lossy":"field":{"channels":"coordinate","kind":"siren","layers":7,"width":20},'
    '"lossy":{"effort":1,"encoder":"inif 0.1.0","max_error":0.1,"method":"siren",'
    '"optimizer":"adam","psnr":36.0,"seed":0,"sha256":"'
    '","steps":1000,"target":{"ratio":64.0}},"range":[[0.0,1.0]],'
    '"requires":["siren/1","qweights/1"],"shape":[2,'
    '"axes":"ZCYX","axes":"TZCYX","axes":"TCZYX","axes":"TCYX","axes":"CZYX","axes":"TZYX",'
    '"axes":"TYX","axes":"ZYX","field":{"channels":"outputs","kind":"siren","layers":7,'
    '"width":32},"lossy":{"effort":3,"encoder":"inif 0.1.0","max_error":100,"method":"siren",'
    '"optimizer":"velo","psnr":36.0,"meta":{"channels":["DAPI","GFP"],"name":"",'
    '"scale":{"X":[0.1,"µm"],"Y":[0.1,"µm"],"Z":[0.3,"µm"]}},"codec":{"kind":"jpeg2000"},'
    '"range":[[0,4095]],"requires":["hybrid/1","jpeg2000/1","conditional/1"],"shape":[64,'
    '{"axes":"CYX","dtype":"uint8","field":{"kind":"conditional","start":"a"},'
    '"lossy":{"auto":"trial","effort":1,"encoder":"inif 0.1.0","max_error":10,"method":"hybrid",'
    '"psnr":30.0,"seed":0,"sha256":"0123456789abcdef","target":{"ratio":256.0}},'
    '"meta":{"channels":["","codec":{"kind":"aom"},"range":[[0,255]],'
    '"requires":["hybrid/1","aom/2","conditional/1"],"shape":[3,'
    '{"axes":"YX","dtype":"uint16","field":{"kind":"conditional","start":"a"},'
    '"lossy":{"auto":"trial","effort":3,"encoder":"inif 0.1.0","max_error":100,"method":"hybrid",'
    '"psnr":30.0,"seed":0,"sha256":"","target":{"ratio":128.0}},"meta":{"name":"Image0"},'
    '"codec":{"kind":"av1"},"range":[[0,65535]],"requires":["hybrid/1","av1/2","conditional/1"],'
    '"shape":[1024,1024,512,512]}'
).encode()
"""The same of version 2, which knows hybrids."""


class Rejection(enum.StrEnum):
    """Every reason for which a file is refused; `InifError.rejection` holds one of them."""

    TRUNCATED = "truncated"
    BAD_MAGIC = "bad_magic"
    TEXT_MODE_DAMAGE = "text_mode_damage"
    BAD_VERSION = "bad_version"
    HEADER_TOO_LARGE = "header_too_large"
    TABLE_TOO_LARGE = "table_too_large"
    TABLE_CRC = "table_crc"
    HEADER_DEFLATE = "header_deflate"
    HEADER_JSON = "header_json"
    DUPLICATE_KEY = "duplicate_key"
    HEADER_FIELD = "header_field"
    UNKNOWN_FEATURE = "unknown_feature"
    UNKNOWN_SECTION = "unknown_section"
    SECTION_KIND = "section_kind"
    SECTION_FLAGS = "section_flags"
    SECTION_BRICK = "section_brick"
    SECTION_DUPLICATE = "section_duplicate"
    SECTION_HOLE = "section_hole"
    SECTION_OVERLAP = "section_overlap"
    TRAILING_BYTES = "trailing_bytes"
    SECTION_MISSING = "section_missing"
    SECTION_CRC = "section_crc"


def crc32c(data: bytes, start: int = 0) -> int:
    """The CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `data`, continuing from `start`."""
    return int(google_crc32c.extend(start, data))
