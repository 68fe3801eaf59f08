"""What Bio-Formats, the reader of Fiji, QuPath and OMERO, sees in TIFF files: a program.

``python levels_by_bioformats.py JAR A.ome.tif …`` writes A.ome.tif.npz with the planes of every
level ("0", "1", …), and prints a JSON object of facts for each file.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import jpype
import numpy as np

TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")
"""In the order of loci.formats.FormatTools; 1 bit is given as uint8."""


def levels(path: str) -> dict[str, Any]:
    """Write the planes of all levels, and say what the file is."""
    store = jpype.JClass("loci.formats.MetadataTools").createOMEXMLMetadata()
    reader = jpype.JClass("loci.formats.ImageReader")()
    reader.setMetadataStore(store)
    reader.setFlattenedResolutions(False)
    reader.setId(path)
    found = {}
    for number in range(reader.getResolutionCount()):
        reader.setResolution(number)
        order = "<" if reader.isLittleEndian() else ">"
        dtype = np.dtype(TYPES[int(reader.getPixelType())]).newbyteorder(order)
        planes = [
            np.frombuffer(bytes(reader.openBytes(plane)), dtype)
            for plane in range(reader.getImageCount())
        ]
        shape = (len(planes), reader.getSizeY(), reader.getSizeX())
        found[str(number)] = np.stack(planes).reshape(shape).astype(dtype.newbyteorder("="))
    np.savez(f"{path}.npz", **found)
    reader.setResolution(0)
    channels = range(reader.getSizeC())
    colors = [store.getChannelColor(0, c) for c in channels]
    facts = {
        "format": str(reader.getFormat()),
        "series": reader.getSeriesCount(),
        "sizes": {a: getattr(reader, f"getSize{a}")() for a in "TCZYX"},
        "steps": {
            a: float(getattr(store, f"getPixelsPhysicalSize{a}")(0).value().doubleValue())
            for a in "ZYX"
        },
        "unit": str(store.getPixelsPhysicalSizeX(0).unit().getSymbol()),
        "names": [str(store.getChannelName(0, c)) for c in channels],
        "colors": [f"#{c.getRed():02X}{c.getGreen():02X}{c.getBlue():02X}" for c in colors],
    }
    reader.close()
    return facts


if __name__ == "__main__":
    jpype.startJVM("-Djava.awt.headless=true", classpath=[sys.argv[1]], convertStrings=True)
    jpype.JClass("loci.common.DebugTools").setRootLevel("ERROR")
    for file in sys.argv[2:]:
        print(json.dumps(levels(file)), flush=True)
