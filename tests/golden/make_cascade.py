#!/usr/bin/env python3
"""Golden files of tests/cascade.bats: the second stage of a cascade of nnU-Net v2 (random weights), which refines the labels in results.ts, and what nnU-Net makes of
bundle/volume.nii.gz with them, in cascade.ts. Run by hand with a Python that has nnunetv2, after make_results.py:
    python tests/golden/make_cascade.py tests/golden
Windows are added up in 32 bits, and no voxel is close to a tie, as there."""
import json
import os
import sys

import numpy as np
from make_results import CLASSES, OUT, lead, network, predict, volume, write_folder

import nibabel


def first_stage():
    """The labels in results.ts as a file on the volume's grid."""
    raw = open(os.path.join(OUT, "results.ts"), "rb").read()
    n = int.from_bytes(raw[:8], "little")
    pred = json.loads(raw[8:8 + n])["pred"]
    data = np.frombuffer(raw[8 + n:][slice(*pred["data_offsets"])], np.uint8).reshape(pred["shape"]).transpose(2, 1, 0)
    nibabel.save(nibabel.Nifti1Image(data, nibabel.load(os.path.join(OUT, "bundle/volume.nii.gz")).affine), "/tmp/first.nii.gz")
    return "/tmp/first.nii.gz", data


os.makedirs(os.path.join(OUT, "cascade/fold_0"), exist_ok=True)
plans = json.load(open(os.path.join(OUT, "results/plans.json")))
full = plans["configurations"]["3d_fullres"]
plans["configurations"] = {"3d_lowres": dict(full, next_stage="3d_cascade_fullres"), "3d_fullres": full,
                           "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}}
write_folder("cascade", plans, {"background": 0, "spleen": 1, "cyst": 2})
first, before = first_stage()
for seed in range(300):
    network(full["architecture"], seed, "cascade/fold_0/checkpoint_final.pth", "3d_cascade_fullres", (0, 2), 1 + CLASSES - 1)
    label, prob = predict("cascade", (0,), first)
    count = np.bincount(label.astype(int).ravel(), minlength=CLASSES)
    print("seed", seed, count, "nearest to a tie", lead(prob), "other than before", (label != before).mean())
    if lead(prob) > 2e-5 and count.min() > 100:
        break
else:
    sys.exit("every network ties somewhere")
with open(os.path.join(OUT, "cascade.ts"), "wb") as f:
    f.write(volume(label))
