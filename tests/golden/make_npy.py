#!/usr/bin/env python3
"""npy.ts, npy_NAME.npy: tensors of every type NumPy has, and what numpy.save makes of them. Run by hand: python make_npy.py (numpy >= 1.23)."""
import os

import numpy as np

from frame import DTYPE, IDENTITY, frame

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(4)
shapes = [(2, 3, 5), (7,), (), (1, 2, 3, 4, 5, 6, 1, 2), (0, 4), (1000,), (5, 1)]
tensors = {t: rng.integers(0, 2 if t == "bool" else 100, shapes[i % len(shapes)]).astype(t) for i, t in enumerate(DTYPE)}
with open(f"{HERE}/npy.ts", "wb") as f:
    f.write(frame(tensors, niipipe=1, kind="volume", id="all", affine=IDENTITY))
for name, a in tensors.items():
    np.save(f"{HERE}/npy_{name}.npy", a)
