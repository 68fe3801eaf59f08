"""CZI and ND2: planes that are missing, and scenes that are not taken."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from inif.errors import InputError
from inif.io import read_image
from inif.io.bio_whole import check_nd2

DATA = np.arange(2 * 3 * 32 * 40, dtype=np.uint16).reshape(2, 3, 32, 40)


def write_czi(path: Path, *, scenes: int = 1, gone: tuple[int, ...] = ()) -> Path:
    for package in ("bioio", "bioio_czi"):
        pytest.importorskip(package)
    czi = pytest.importorskip("pylibCZIrw.czi")
    with czi.create_czi(str(path)) as out:
        for scene in range(scenes):
            for c in range(2):
                for z in range(3):
                    if (c, z) != gone:
                        where: dict[str, Any] = {"plane": {"C": c, "Z": z, "T": 0}}
                        if scenes > 1:
                            where |= {"scene": scene, "location": (scene * 100, 0)}
                        out.write(DATA[c, z, :, :, None], **where)
        out.write_metadata(channel_names={0: "DNA", 1: "actin"}, scale_x=1e-7, scale_y=1e-7)
    return path


def test_a_czi_file_that_lacks_a_plane(tmp_path: Path) -> None:
    assert read_image(write_czi(tmp_path / "whole.czi")).remarks == ()
    with pytest.raises(InputError, match="not complete") as caught:
        read_image(write_czi(tmp_path / "a.czi", gone=(1, 2)))
    assert caught.value.got == "5 planes"
    assert (caught.value.expected or "").startswith("6 planes")


def test_a_czi_file_of_several_scenes(tmp_path: Path) -> None:
    (remark,) = read_image(write_czi(tmp_path / "a.czi", scenes=2)).remarks
    assert "2 scenes" in remark or remark.startswith("this file holds 2 images, number 0")


@pytest.mark.parametrize(
    ("places", "refused"),
    [
        ({0: 10, 1: 20, 2: 30}, False),
        ({0: 10, 1: 20}, True),
        ({0: 10, 1: 20, 2: 5000}, True),
        (None, False),
    ],
)
def test_an_nd2_file_that_lacks_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, places: Any, refused: bool
) -> None:
    (tmp_path / "a.nd2").write_bytes(bytes(100))

    class Stand:
        sizes: ClassVar = {"T": 3, "C": 2, "Y": 4, "X": 5}
        _rdr = SimpleNamespace(_frame_offsets=places)

        def __init__(self, path: str) -> None: ...
        def __enter__(self) -> Stand:
            return self

        def __exit__(self, *_: object) -> None: ...

    nd2 = ModuleType("nd2")
    nd2.ND2File = Stand  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nd2", nd2)
    if refused:
        with pytest.raises(InputError, match="3 frames"):
            check_nd2(str(tmp_path / "a.nd2"), "a.nd2")
    else:
        check_nd2(str(tmp_path / "a.nd2"), "a.nd2")
