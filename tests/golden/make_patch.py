#!/usr/bin/env python3
"""MONAI's patch geometry -> tests/golden/patch.txt, read by tests/unit/patch.c. Run by hand: make_patch.py >patch.txt

start CENTRE PATCH LENGTH START       correct_crop_centers, then the centre minus patch // 2
grid PATCH LENGTH OVERLAP START...    dense_patch_slices with the interval of sliding_window_inference
"""
from monai.data.utils import dense_patch_slices
from monai.inferers.utils import _get_scan_interval
from monai.transforms.utils import correct_crop_centers

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
