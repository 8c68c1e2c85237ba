#!/usr/bin/env python3
"""filter_*.ts.gz: label volumes with a mask beside them and what cc-filter must leave of them, by scipy.ndimage; every component that scipy finds is compared
with cc3d's, every binary hole with scipy.ndimage.binary_fill_holes, small ones with cc3d.dust. Run by hand: python make_filter.py (numpy, scipy, connected-components-3d)."""
import gzip
import os

import cc3d
import numpy as np
from scipy import ndimage

from frame import frame
from make_components import STRUCTURE, volumes

HERE = os.path.dirname(os.path.abspath(__file__))
AFFINE = np.array([[-0.6, -0.8, 0, 5], [0.8, -0.6, 0, 6], [0, 0, 1.2, 7], [0, 0, 0, 1]])  # 1.2 mm3
OTHER = {6: 26, 18: 6, 26: 6}


def cases():
    for name, a in volumes():
        yield name, a
    rng = np.random.default_rng(5)
    yield "thousands", (rng.random((24, 40, 40)) < 0.06).astype(np.uint8)
    yield "many labels", ((rng.random((12, 20, 30)) < 0.4) * rng.choice([-32768, -1, 255, 256, 257, 32767], (12, 20, 30))).astype(np.int16)
    for i, density in enumerate((0.6, 0.75, 0.9)):
        yield f"sponge{i}", (rng.random((9, 13, 17)) < density).astype(np.uint8)
        yield f"sponge of two{i}", ((rng.random((9, 13, 17)) < density) * np.where(np.arange(17) < 8, 300, -3)).astype(np.int32)
    yield "empty", np.zeros((3, 4, 5), np.uint8)
    yield "full", np.ones((3, 4, 5), np.uint16)
    yield "one voxel", np.full((1, 1, 1), -7, np.int8)
    shells = np.zeros((9, 9, 9), np.uint8)
    shells[1:8, 1:8, 1:8] = 1
    shells[2:7, 2:7, 2:7] = 0
    shells[4, 4, 4] = 2  # an island: the hole borders on two labels
    yield "island", shells
    shells = np.where(shells == 2, 1, shells)
    yield "island of the same", shells


def parts(a, connectivity, union):
    """(mask, voxels, first) of every component."""
    out = []
    for mask in [a != 0] if union else [a == v for v in np.unique(a) if v]:
        lab, n = ndimage.label(mask, STRUCTURE[connectivity])
        padded = np.pad(mask, 3)  # of some tiny volumes cc3d says "maximum length exception"
        theirs = cc3d.connected_components(padded, connectivity=connectivity)[3:-3, 3:-3, 3:-3]
        assert theirs.max() == n and len(np.unique(np.stack([lab.ravel(), theirs.ravel()]), axis=1).T) == n + (not mask.all())
        for i, box in enumerate(ndimage.find_objects(lab)):
            m = np.zeros(a.shape, bool)
            m[box] = lab[box] == i + 1
            out.append((m, int(m.sum()), int(np.argmax(m.ravel()))))
    return out


def filled(a, connectivity, union):
    structure = STRUCTURE[OTHER[connectivity]]
    lab, n = ndimage.label(a == 0, structure)
    out = a.copy()
    inner = np.zeros(a.shape, bool)
    inner[1:-1, 1:-1, 1:-1] = True
    for i in range(1, n + 1):
        hole = lab == i
        if (hole & ~inner).any():
            continue
        around = np.unique(a[ndimage.binary_dilation(hole, structure) & ~hole])
        if len(around) == 1:
            out[hole] = around[0]
        elif union:
            out[hole] = a.ravel()[np.argmax(hole.ravel()) - 1]
    if len(np.unique(a[a != 0])) <= 1 or union:
        assert ((out != 0) == ndimage.binary_fill_holes(a != 0, structure)).all()
    return out


def kept(a, mask, connectivity=26, union=False, least=1, volume=0, k=0, on=None, fraction=0, grow=0, fill=False):
    if fill:
        a = filled(a, connectivity, union)
    out = np.zeros_like(a)
    least = max(least, volume / 1.2 * (1 - 1e-6))
    found = [p for p in parts(a, connectivity, union) if p[1] >= least]
    if on is not None:
        inside = np.isin(mask, on) if on else mask != 0
        if grow:
            inside = inside.any() & (ndimage.distance_transform_edt(~inside, sampling=(1.2, 1, 1)) <= grow)
        found = [p for p in found if (p[0] & inside).any() and (p[0] & inside).sum() >= fraction * p[1]]
    if k:
        ranked = sorted(found, key=lambda p: (-p[1], p[2]))
        value = (lambda p: 0) if union else (lambda p: a.ravel()[p[2]])
        found = [p for p in ranked if sum(value(q) == value(p) for q in ranked[: next(i for i, q in enumerate(ranked) if q is p)]) < k]
    for m, _, _ in found:
        out[m] = a[m]
    if least > 1 and on is None and not k and not fill and union:
        assert ((out != 0) == cc3d.dust((a != 0).astype(np.uint8), threshold=int(np.ceil(least)), connectivity=connectivity).astype(bool)).all()
    return out


# name: what cc-filter is told; tests/cc-filter.bats has the same table
WAYS = {
    "least": {"least": 3, "connectivity": 6},
    "union": {"least": 4, "connectivity": 18, "union": True},
    "volume": {"volume": 4.8, "connectivity": 6},
    "on": {"on": [], "connectivity": 6},
    "fraction": {"on": [2, -1], "fraction": 0.25, "connectivity": 6},
    "grow": {"on": [3], "grow": 2.3, "fraction": 0.9, "connectivity": 6},
    "k": {"k": 2, "least": 2, "on": [], "connectivity": 6},
    "fill6": {"fill": True, "connectivity": 6},
    "fill26": {"fill": True},
    "largest": {"k": 1},
    "fillu": {"fill": True, "union": True, "k": 1},
}


def main():
    rng = np.random.default_rng(6)
    everything = [(name, a, (rng.random(a.shape) < 0.2) * rng.integers(-1, 4, a.shape).astype(np.int8)) for name, a in cases()]
    meta = {"niipipe": 1, "kind": "volume", "affine": " ".join(repr(float(v)) for v in AFFINE.ravel())}
    for way, what in {"in": None, **WAYS}.items():
        with gzip.GzipFile(f"{HERE}/filter_{way}.ts.gz", "wb", mtime=0) as f:
            for name, a, mask in everything:
                f.write(frame({"label": kept(a, mask, **what)} if what else {"label": a, "mask": mask}, id=name, **meta))


main()
