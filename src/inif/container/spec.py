"""The constants of the format, in one place so that reader, writer and docs cannot drift.

Everything here is frozen: changing a value changes the format (docs/format.md, "Compatibility").
"""

from __future__ import annotations

import enum

import google_crc32c

MAGIC = b"\x89INIF\r\n\x1a"
"""High bit set, CR LF and Ctrl-Z inside: transfers that damage bytes show at once."""

VERSION = 1

ENTRY_SIZE = 16
"""Bytes that a section adds to the table of a small file, at most."""

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
    {"siren/1", "qweights/1", "latent/1", "hybrid/1", "repair/1", "residual/1"}
    | {f"{c}/1" for c in ("av1", "hevc", "jpegxl", "avif", "jpeg2000", "htj2k", "sperr")}
    | {LOSSLESS, CORRECTIONS}
)
"""Names that a header's ``requires`` may hold for this release to read the file."""

SUPPORTED_KINDS = frozenset(
    {b"QWTS", b"OMEX", b"CODE", b"RESF", b"OUTL", b"SAMP", b"LATN", b"LATC", b"CORR"}
)
"""Critical section kinds that this release reads."""

DICTIONARY = (
    # Rare first, common last: near matches cost fewer bits (RFC 1951, section 3.2.5).
    '"#FF00FF","#FFFF00","#00FFFF","#FFFFFF","#FF0000","#0000FF","colors":["#00FF00",null,null],'
    '"RFP","mCherry","Hoechst","Alexa ","Cy3","Cy5","FITC","TRITC","actin","tubulin",'
    '"mitochondria","nuclei","membrane","Membrane","Channel:0:0","Channel 0","red","green","blue",'
    '"DNA".ome.zarr".czi".nd2".lif".png".npy"'
    '"knob":32.5,"pixel"],"nm"],"mm"],"ms"],"min"],"T":[1.0,"s"]}},"stopped":"interrupt",'
    '"guides":["mask:","perceptual","blobs","filaments"],"select":"spots","select":"ssim",'
    '"axes":"TCYX","axes":"TYX","axes":"CYX","axes":"TCZYX","axes":"TZCYX","axes":"TZYX",'
    '"dtype":"float64","dtype":"int32","dtype":"uint32","dtype":"int16","dtype":"bool",'
    '"range":[[-32768,32767]],"range":[[-1.0,1.0]],"range":[[0.0,1.0]],"target":{"size":10000},'
    '"brick":[1,16,32,64,128,192,256,384,512,768,1024,2048],'
    # Pure fields.
    '{"axes":"ZYX","dtype":"float32","field":{"channels":"coordinate","kind":"siren","layers":7,'
    '"width":20},"lossy":{"effort":3,"encoder":"inif 0.1.0","max_error":0.1,"method":"siren",'
    '"optimizer":"adam","optimizer":"velo","optimizer":"muon","psnr":36.0,"seed":0,"sha256":"",'
    '"steps":1000,"target":{"ratio":64}},"range":[[0,4095]],"requires":["siren/1","qweights/1"],'
    '"shape":[2,'
    # Exact files.
    '{"axes":"CYX","brick":[1,64,64],"dtype":"uint8","field":{"kind":"none"},'
    '"lossless":{"codecs":["jpegxl","zstd"]},"lossy":{"effort":3,"encoder":"inif 0.1.0",'
    '"max_error":0,"method":"lossless","psnr":null,"sha256":"","target":{"lossless":true}},'
    '"range":[[0,255]],"requires":["lossless/1"],"shape":[3,'
    # Hybrids.
    '"codec":{"kind":"sperr"},"codec":{"kind":"htj2k"},"codec":{"kind":"avif"},'
    '"codec":{"kind":"jpegxl"},"codec":{"kind":"jpeg2000"},"codec":{"frame_order":"ZT~","TZ~",'
    '"kind":"hevc"},"field":{"kind":"none"},"requires":["hybrid/1","residual/1","sperr/1",'
    '"htj2k/1","avif/1","jpegxl/1","jpeg2000/1","hevc/1",'
    '{"axes":"TYX","codec":{"kind":"av1"},"dtype":"uint16","field":{"kind":"repair","network":"a"},'
    '"lossy":{"auto":"trial","effort":3,"encoder":"inif 0.1.0","max_error":40,"method":"hybrid",'
    '"psnr":38.0,"seed":0,"sha256":"0123456789abcdef","target":{"psnr":40.0}},"meta":{"name":""},'
    '"range":[[100,4000]],"requires":["hybrid/1","av1/1","repair/1"],"shape":[60,'
    # Latent fields within a bound, and as they mostly are.
    '"kind":"latent","step":4000.1,"tables":"1","widths":[17]},"lossy":{"bound":[8],"effort":3,'
    '"target":{"max_error":8.0}},"requires":["latent/1","corrections/1"],'
    '{"axes":"CZYX","dtype":"uint8","field":{"finer":[0,-8,16],"gains":[16],"kind":"latent",'
    '"levels":[1,2],"lifting":[1,2],"nets":"1","step":2475.1,"tables":"1"},"lossy":{'
    '"auto":"trial","effort":1,"encoder":"inif 0.1.0","max_error":37,"method":"latent",'
    '"psnr":38.0,"psnr_least":38.1,"sha256":"","target":{"ratio":64}},"meta":{"channels":["DAPI",'
    '"GFP"],"name":".ome.tif","scale":{"X":[0.1,"µm"],"Y":[0.1,"µm"],"Z":[0.3,"µm"]}},'
    '"range":[[0,255]],"requires":["latent/1"],"shape":[2,'
    '{"axes":"YX","dtype":"uint16","field":{"gains":[14],"kind":"latent","nets":"1","step":800.1,'
    '"tables":"1"},"lossy":{"auto":"trial","effort":3,"encoder":"inif 0.1.0","max_error":120,'
    '"method":"latent","psnr":36.0,"sha256":"0123456789abcdef","target":{"ratio":128}},'
    '"meta":{"name":"Image0"},"range":[[0,65535]],"requires":["latent/1"],'
    '"shape":[1024,1024,512,512,256,256]}'
).encode()
"""Preset dictionary of the header's raw DEFLATE stream: tiny files stay tiny."""


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
    BAD_TABLE = "bad_table"
    SECTION_KIND = "section_kind"
    SECTION_BRICK = "section_brick"
    SECTION_DUPLICATE = "section_duplicate"
    TRAILING_BYTES = "trailing_bytes"
    SECTION_MISSING = "section_missing"
    SECTION_CRC = "section_crc"


def crc32c(data: bytes, start: int = 0) -> int:
    """The CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `data`, continuing from `start`."""
    return int(google_crc32c.extend(start, data))
