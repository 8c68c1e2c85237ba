#!/usr/bin/env python3
"""Golden files of tests/regions.bats: results of a training of nnU-Net v2 by regions (KiTS' of kidney, its masses, the tumours; here random weights), two folds,
and what nnU-Net makes of bundle/volume.nii.gz with the first and with both, in regions.ts. Run by hand as make_results.py:
    python tests/golden/make_regions.py tests/golden
No probability is so close to one half that one off by 1e-5 could change its label."""
import os
import sys

import numpy as np
from make_results import OUT, make_plans, network, predict, volume, write_folder

REGIONS = {"kidney": [1, 2, 3], "masses": [2, 3], "tumor": [2]}
ORDER = [1, 3, 2]


def near(prob):
    return np.abs(prob - 0.5).min()


for fold in (0, 1):
    os.makedirs(os.path.join(OUT, f"regions/fold_{fold}"), exist_ok=True)
plans, architecture = make_plans()
write_folder("regions", plans, {"background": 0, **REGIONS}, regions_class_order=ORDER)
for seed in range(300):
    for fold in (0, 1):
        network(architecture, seed + 1000 * fold, f"regions/fold_{fold}/checkpoint_final.pth")
    made = [predict("regions", folds) for folds in ((0,), (0, 1))]
    counts = [np.bincount(label.astype(int).ravel(), minlength=4) for label, _ in made]
    print("seed", seed, *counts, [near(prob) for _, prob in made])
    if min(near(prob) for _, prob in made) > 2e-5 and min(c.min() for c in counts) > 50:
        break
else:
    sys.exit("every network is undecided somewhere")
with open(os.path.join(OUT, "regions.ts"), "wb") as f:
    for label, _ in made:
        f.write(volume(label))
