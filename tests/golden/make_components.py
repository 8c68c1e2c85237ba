#!/usr/bin/env python3
"""components_*.ts: random label volumes of every integer type and what is left of them when the largest components are kept, by scipy.ndimage.label.
Ties go to the component whose first voxel comes first, x fastest. Run by hand: python make_components.py (numpy, scipy)."""
import os

import numpy as np
from scipy import ndimage

from frame import IDENTITY, frame

HERE = os.path.dirname(os.path.abspath(__file__))
STRUCTURE = {6: ndimage.generate_binary_structure(3, 1), 18: ndimage.generate_binary_structure(3, 2), 26: ndimage.generate_binary_structure(3, 3)}


def keep(a, connectivity, k, union):
    out = np.zeros_like(a)
    for mask in [a != 0] if union else [a == v for v in np.unique(a) if v]:
        lab, n = ndimage.label(mask, STRUCTURE[connectivity])
        flat = lab.ravel()
        rank = sorted(range(1, n + 1), key=lambda i: (-(flat == i).sum(), np.argmax(flat == i)))
        chosen = np.isin(lab, rank[:k])
        out[chosen] = a[chosen]
    return out


def volumes():
    rng = np.random.default_rng(3)
    types = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "bool"]
    shapes = [(7, 11, 13), (1, 1, 1), (1, 1, 37), (19, 1, 1), (1, 17, 1), (5, 9, 64), (3, 23, 8), (11, 7, 5), (6, 6, 40)]
    for i, (dtype, shape) in enumerate(zip(types, shapes)):
        for density in (0.08, 0.2, 0.5, 0.95):
            a = (rng.random(shape) < density) * rng.integers(1, 4, shape)
            if dtype[0] == "i":
                a = np.where(a == 3, -1, a)
            if dtype.endswith("64"):
                a = np.where(a == 2, 2**53 + 1, a)
            yield f"v{i}-{density}", a.astype(dtype)


def main():
    cases = list(volumes())
    ways = {"in": None, "c6": (6, 1, False), "c18": (18, 1, False), "c26": (26, 1, False), "u6": (6, 1, True), "u26": (26, 1, True), "k3": (6, 3, False)}
    for name, way in ways.items():
        with open(f"{HERE}/components_{name}.ts", "wb") as f:
            for case, a in cases:
                f.write(frame({"label": keep(a, *way) if way else a}, niipipe=1, kind="volume", id=case, affine=IDENTITY))


if __name__ == "__main__":
    main()
