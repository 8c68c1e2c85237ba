#!/usr/bin/env python3
"""Golden frames of labels resampled by nnU-Net itself (nnunetv2 2.8.1 with batchgenerators 0.25.5, whose labels are those with the largest share, not
those with half or more): writes labels.ts and labels.tsv, as make_preprocess.py. Sizes that halve have a tie at every border of two labels; shares that
would be equal but for rounding, which then decides there, are not left in.

    python tests/golden/make_labels.py        needs nnunetv2; run by hand
"""
import os

for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ[variable] = "/nonexistent"
import numpy as np  # noqa: E402
from frame import Golden  # noqa: E402
from nnunetv2.preprocessing.resampling.default_resampling import compute_new_shape, resample_data_or_seg_to_shape  # noqa: E402
from skimage.transform import resize  # noqa: E402

rng = np.random.default_rng(20261127)
golden = Golden("labels")


def blobs(shape, n):
    return np.argmax([resize(rng.random([max(2, s // 2) for s in shape]), shape, 3) for _ in range(n)], 0).astype(np.uint8)


def rounding_decides(label, size):
    share = np.sort([resize((label == c).astype(float), size, 1, mode="edge", anti_aliasing=False) for c in np.unique(label)], 0)
    lead = share[-1] - share[-2]
    return ((lead > 0) & (lead < 1e-6)).any()


for name, shape, old, new, n in (("half", (12, 10, 8), (1, 1, 1), (2, 2, 2), 3), ("half-noise", (12, 10, 8), (1, 1, 1), (2, 2, 2), 0),
                                 ("double", (7, 6, 5), (2, 2, 2), (1, 1, 1), 4), ("odd", (13, 11, 10), (0.7, 0.8, 1.1), (1.7, 1.3, 1.6), 6),
                                 ("noise", (11, 10, 9), (1.0, 1.1, 1.2), (1.4, 0.9, 1.3), 0), ("coarse", (12, 8, 5), (0.8, 0.9, 5.0), (1.6, 1.8, 4.0), 4)):
    affine = np.diag([*old, 1.0])
    size = compute_new_shape(shape, old, new)
    while True:
        label = blobs(shape, n) if n else rng.integers(0, 5, shape).astype(np.uint8)
        if not rounding_decides(label, size):
            break
    made = resample_data_or_seg_to_shape(label[None], size, old, new, is_seg=True, order=1, order_z=0, force_separate_z=None)[0]
    scale = np.array(shape) / size
    moved = affine.copy()
    moved[:3, :3] *= scale
    moved[:3, 3] += affine[:3, :3] @ (0.5 * scale - 0.5)
    golden.case(f"nii-resample -s {','.join(map(str, new))} --align nnunet --label-interp argmax", golden.frame(name, affine, label=label),
                golden.frame(name, moved, label=made), 0)
golden.write()
