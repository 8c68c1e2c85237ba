#!/usr/bin/env python3
"""Golden frames of boxes and padding by MONAI (crop.ts, crop.tsv, as make_preprocess.py), and boxes of body and lungs in the real CTs by
scipy.ndimage (crop_real.tsv: what, image, box).

    python tests/golden/make_crop.py        needs monai, torch, scipy, nibabel and shared/data; run by hand
"""
import os

import nibabel
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import DivisiblePad, SpatialCrop, SpatialPad
from scipy import ndimage

from frame import Golden

here = os.path.dirname(os.path.abspath(__file__))
data = os.path.join(here, "../../../shared/data/ct")
rng = np.random.default_rng(20261125)
golden = Golden("crop")
frame = golden.frame


def boxes():
    affine = np.array([[-0.7, 0.1, 0, -20], [0.1, 0.7, 0, 31], [0, 0, 3, 4.5], [0, 0, 0, 1]])
    image = rng.random((2, 9, 7, 5)).astype(np.float32)
    label = (image[0] > 0.5).astype(np.uint8)
    src = frame("boxes", affine, image=image, label=label)
    todo = [
        ("--box 2,0,1,7,7,4", SpatialCrop(roi_start=(2, 0, 1), roi_end=(7, 7, 4))),
        ("--pad --min-size 12,6,10", SpatialPad((12, 6, 10))),
        ("--pad --multiple 4,7,8", DivisiblePad((4, 7, 8))),
    ]
    for options, fn in todo:
        y = fn(MetaTensor(torch.from_numpy(image), affine=torch.from_numpy(affine)))
        lab = fn(MetaTensor(torch.from_numpy(label[None]), affine=torch.from_numpy(affine)))
        golden.case(f"nii-crop {options}", src, frame("boxes", y.affine.numpy(), image=y.numpy(), label=lab.numpy()[0]), 0)


def lungs(hu, mm):
    lab, _ = ndimage.label(hu < -400)
    size = np.bincount(lab.ravel())
    good = []
    for i, s in enumerate(ndimage.find_objects(lab), 1):
        sides = all(s[a].start > 0 and s[a].stop < hu.shape[a] and (s[a].stop - s[a].start) * mm[a] >= 70 for a in (0, 1))
        if sides and size[i] * np.prod(mm) >= 150e3:
            good.append(i)
    return np.isin(lab, [i for i in good if size[i] >= 0.15 * max(size[j] for j in good)])


def body(hu, mm):
    k = [int(np.ceil(8 / mm[a] - 1e-6)) for a in (0, 1)]
    wide = [2 * k[0] + 1, 2 * k[1] + 1, 1]  # a square: minimum_filter is separable; 1 beyond the ends
    small = ndimage.minimum_filter(((hu > -300) | lungs(hu, mm)).astype(np.uint8), wide, mode="constant", cval=1)
    lab, _ = ndimage.label(small)
    size = np.bincount(lab.ravel())
    size[0] = 0
    return ndimage.maximum_filter((lab == size.argmax()).astype(np.uint8), wide, mode="constant", cval=0)


def real():
    with open(os.path.join(here, "crop_real.tsv"), "w") as out:
        for name in ("LUNG1-001/LUNG1-001_slab512_ct.nii.gz", "LUNG1-001/LUNG1-001_ct.nii.gz", "LUNG1-002/LUNG1-002_ct.nii.gz"):
            im = nibabel.load(os.path.join(data, name))
            hu, mm = np.asarray(im.dataobj).astype(np.float32), np.linalg.norm(im.affine[:3, :3], axis=0)
            for what, fn in (("body", body), ("lungs", lungs)):
                s = ndimage.find_objects(fn(hu, mm).astype(np.uint8))
                box = ",".join(str(v) for v in [a.start for a in s[0]] + [a.stop for a in s[0]]) if s else "none"
                print(what, name, hu.shape, box)
                out.write(f"{what}\tct/{name}\t{box}\n")


boxes()
real()
golden.write()
