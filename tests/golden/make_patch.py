#!/usr/bin/env python3
"""MONAI's and nnU-Net's patch geometry -> tests/golden/patch.txt, read by tests/unit/patch.c. Run by hand: make_patch.py >patch.txt
nnU-Net 2.8.1: pip install --no-deps nnunetv2 acvl_utils threadpoolctl.

start CENTRE PATCH LENGTH START           correct_crop_centers, then the centre minus patch // 2
grid PATCH LENGTH OVERLAP START...        dense_patch_slices with the interval of sliding_window_inference
centres PATCH LENGTH LO HI                weighted_patch_samples: centres drawn where all weights are alike, LO to HI - 1
starts PATCH FINAL LENGTH LO HI           nnUNetDataLoader.get_bbox: what it draws the lower corner from, LO to HI
forced PATCH FINAL LENGTH VOXEL START     the same around a voxel of the foreground
batch N PERCENT FIRST                     _oversample_last_XX_percent: the first sample of N that is forced
"""
import sys
from unittest.mock import MagicMock, patch as replaced

import numpy as np
from monai.data.utils import dense_patch_slices
from monai.inferers.utils import _get_scan_interval
from monai.transforms.utils import correct_crop_centers, weighted_patch_samples

sys.modules["blosc2"] = MagicMock()  # reads data sets: not needed here
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader

for patch, length in [(1, 1), (1, 7), (2, 2), (2, 3), (3, 3), (4, 9), (5, 8), (8, 8), (16, 31), (17, 17), (64, 95)]:
    for centre in sorted({0, 1, length // 3, length // 2, length - 2, length - 1}):
        if 0 <= centre < length:
            c = correct_crop_centers([centre] * 3, [patch] * 3, [length] * 3)[0]
            print("start", centre, patch, length, int(c) - patch // 2)
for patch, length in [(1, 5), (5, 5), (7, 23), (16, 97), (80, 200), (96, 300), (160, 311)]:
    for overlap in (0, 0.25, 0.5, 0.8, 0.9):
        step = _get_scan_interval((length,) * 3, (patch,) * 3, 3, (overlap,) * 3)
        starts = sorted({s[0].start for s in dense_patch_slices((length,) * 3, (patch,) * 3, step)}) if length < 64 else \
            sorted({s[0].start for s in dense_patch_slices((length, patch, patch), (patch,) * 3, (step[0], patch, patch))})
        print("grid", patch, length, overlap, *starts)
for patch, length in [(1, 1), (1, 2), (1, 5), (2, 2), (2, 3), (3, 7), (4, 9), (5, 5), (5, 6), (8, 5), (9, 4), (16, 31)]:
    drawn = [int(c[0]) for c in weighted_patch_samples((patch,), np.ones(length), 4000, np.random.RandomState(1))]
    print("centres", patch, length, min(drawn), max(drawn) + 1)


def loader(**attributes):
    it = nnUNetDataLoader.__new__(nnUNetDataLoader)
    it.__dict__.update({"has_ignore": False, "annotated_classes_key": (-1, 0, 1)} | attributes)
    return it


for patch, final, length in [(1, 1, 1), (1, 1, 5), (4, 4, 9), (5, 5, 5), (5, 5, 4), (8, 8, 5), (9, 9, 4), (9, 7, 8), (9, 7, 20), (10, 7, 20), (10, 7, 7), (12, 7, 3)]:
    it = loader(patch_size=(patch,), need_to_pad=np.array([patch - final]))
    with replaced("numpy.random.randint", side_effect=lambda lo, end: lo) as draw:
        it.get_bbox((length,), False, None)
    print("starts", patch, final, length, int(draw.call_args.args[0]), int(draw.call_args.args[1]) - 1)
    for voxel in sorted({0, length // 2, length - 1}):
        print("forced", patch, final, length, voxel, int(it.get_bbox((length,), True, {1: np.array([[0, voxel]])})[0][0]))
for n in (1, 2, 3, 5, 6, 12):
    for percent in (0, 0.25, 0.33, 0.5, 0.75, 1):
        it = loader(batch_size=n, oversample_foreground_percent=percent)
        print("batch", n, percent, sum(not it._oversample_last_XX_percent(i) for i in range(n)))
