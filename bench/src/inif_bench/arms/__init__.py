"""The arms of the benchmark by name, in the order of the tables."""

from __future__ import annotations

from collections.abc import Iterable

from inif.errors import InputError
from inif_bench.arms.arrays import Sz3, Zfp
from inif_bench.arms.base import Arm, DriverArm, Encoded, Options, Session
from inif_bench.arms.codecs import AVIF, HTJ2K, JPEG_2000, JPEG_XL, SPERR, svt_av1, x265
from inif_bench.arms.lossless import Blosc2
from inif_bench.arms.own import InifArm
from inif_bench.arms.published import PublishedField
from inif_bench.arms.x265_published import PublishedX265

ARMS: tuple[Arm, ...] = (
    DriverArm("hevc", "HEVC (x265 slow, tuned for PSNR)", x265("slow")),
    DriverArm(
        "hevc-veryslow",
        "HEVC (x265 veryslow, tuned for PSNR)",
        x265("veryslow"),
        trial=x265("slow"),
    ),
    DriverArm("av1", "AV1 (SVT-AV1 preset 4)", svt_av1(4)),
    DriverArm("jpegxl", "JPEG XL, plane by plane", JPEG_XL),
    DriverArm("avif", "AVIF (libaom), plane by plane", AVIF),
    DriverArm("jpeg2000", "JPEG 2000, plane by plane", JPEG_2000),
    DriverArm("htj2k", "HTJ2K, plane by plane", HTJ2K),
    DriverArm("sperr", "SPERR, 3-D", SPERR),
    DriverArm("zfp", "ZFP, up to 4-D", Zfp()),
    DriverArm("sz3", "SZ3, up to 4-D", Sz3()),
    DriverArm("av1-slow", "AV1 (SVT-AV1 preset 1)", svt_av1(1), trial=svt_av1(8)),
    InifArm("inif", "inif", "auto", 3),
    InifArm("inif-best", "inif, effort 9", "auto", 9),
    InifArm("inif-siren", "inif, pure field", "siren"),
    DriverArm(
        "hevc-as-published", "HEVC as the paper's code runs it", PublishedX265(), "published"
    ),
    PublishedField("siren-as-published", "SIREN as published", 30.0, False),
    PublishedField("inif-as-published", "INIF's network as published", 90.0, True),
    Blosc2(),
)


def find_arms(names: Iterable[str] | None) -> list[Arm]:
    """Arms by name, all of them for None.

    Raises
    ------
    InputError
        An unknown name.
    """
    if names is None:
        return list(ARMS)
    by_name = {arm.name: arm for arm in ARMS}
    wanted = list(dict.fromkeys(names))
    if unknown := [n for n in wanted if n not in by_name]:
        raise InputError(
            "there is no such arm",
            field="--arms",
            expected=", ".join(by_name),
            got=", ".join(unknown),
        )
    return [by_name[n] for n in wanted]


__all__ = ["ARMS", "Arm", "DriverArm", "Encoded", "Options", "Session", "find_arms"]
