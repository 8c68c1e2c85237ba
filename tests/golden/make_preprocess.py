#!/usr/bin/env python3
"""Golden frames of preprocessing, made by MONAI: writes preprocess.ts (inputs and results) and preprocess.tsv (which command makes which from which).

    python tests/golden/make_preprocess.py        needs monai, torch; run by hand, the tests read only what it wrote
"""
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import CropForeground, NormalizeIntensity, Orientation, ScaleIntensityRange, Spacing

from frame import Golden

rng = np.random.default_rng(20261123)
golden = Golden("preprocess")
frame, case = golden.frame, golden.case


def rotation(ax, ay, az):
    c, s = np.cos, np.sin
    x = np.array([[1, 0, 0], [0, c(ax), -s(ax)], [0, s(ax), c(ax)]])
    y = np.array([[c(ay), 0, s(ay)], [0, 1, 0], [-s(ay), 0, c(ay)]])
    z = np.array([[c(az), -s(az), 0], [s(az), c(az), 0], [0, 0, 1]])
    return x @ y @ z


def affine_of(spacing, origin, turn=None, flip=(1, 1, 1)):
    a = np.eye(4)
    a[:3, :3] = (np.eye(3) if turn is None else turn) @ np.diag(np.array(spacing) * flip)
    a[:3, 3] = origin
    return a


def normalize():
    image = rng.integers(-1024, 1500, (2, 7, 5, 3)).astype(np.int16)
    image[rng.random(image.shape) < 0.2] = 0
    flat = np.full((1, 3, 1, 2), 5, np.int16)
    for name, x in (("two-channels", image), ("floats", image.astype(np.float32) / 7), ("constant", flat), ("zeros", flat * 0)):
        src = frame(name, np.eye(4), image=x)
        todo = [
            ("--range=-1000,400,-1,1", ScaleIntensityRange(-1000, 400, -1, 1)),
            ("--range=-1000,400,0.1,0.7 --clip", ScaleIntensityRange(-1000, 400, 0.1, 0.7, clip=True)),
            ("--window=-1024,325", ScaleIntensityRange(-1024, 325, 0, 1, clip=True)),
            ("--zscore", NormalizeIntensity()),
            ("--zscore --channel-wise", NormalizeIntensity(channel_wise=True)),
            ("--zscore-nonzero", NormalizeIntensity(nonzero=True)),
            ("--zscore-nonzero --channel-wise", NormalizeIntensity(nonzero=True, channel_wise=True)),
        ]
        for options, fn in todo:
            y = fn(torch.from_numpy(x.copy()))
            case(f"nii-normalize {options}", src, frame(name, np.eye(4), image=y.numpy().astype(np.float32)), 2e-6)


def crop():
    image = np.zeros((2, 13, 11, 7), np.float32)
    image[0, 3:9, 2:5, 4:6] = rng.random((6, 3, 2)) + 0.2
    image[1, 8, 9, 1] = 0.15
    image[0, 0, 0, 0] = 0.1  # not above 0.1
    affine = affine_of((0.7, 1.1, 3), (-20, 31, 4.5), rotation(0.1, -0.2, 0.3), (-1, 1, 1))
    label = (image[0] > 0.5).astype(np.uint8)
    src = frame("crop", affine, image=image, label=label)
    todo = [
        ("", {}),
        (" --margin-voxels 2,0,1", {"margin": (2, 0, 1)}),
        (" --margin-voxels 5", {"margin": 5}),
        (" --margin-voxels 5 --inside", {"margin": 5, "allow_smaller": True}),
        (" --multiple 8,4,5", {"k_divisible": (8, 4, 5)}),
        (" --margin-voxels 1 --multiple 16", {"margin": 1, "k_divisible": 16}),
    ]
    for options, kw in todo:
        fn = CropForeground(select_fn=lambda x: x > 0.1, return_coords=True, **kw)
        y, lo, hi = fn(MetaTensor(torch.from_numpy(image), affine=torch.from_numpy(affine)))
        lab = fn.crop_pad(MetaTensor(torch.from_numpy(label[None]), affine=torch.from_numpy(affine)), lo, hi)
        case(f"nii-crop --above 0.1{options}", src, frame("crop", y.affine.numpy(), image=y.numpy(), label=lab.numpy()[0]), 0)


def resample():
    turn = rotation(0.3, -0.2, 0.5)
    grids = [
        ("plain", (9, 7, 5), affine_of((0.9, 1.1, 3), (-10, 20, 5)), (1, 1, 1.7)),
        ("flipped", (9, 7, 5), affine_of((0.977, 0.977, 3), (40.5, 20, -5), None, (-1, -1, 1)), (1.5, 1.5, 1.5)),
        ("rotated", (11, 6, 4), affine_of((0.8, 1.3, 2.1), (3, -7, 11), turn), (1.17, 0.9, 2.9)),
        ("both", (5, 13, 3), affine_of((2, 0.6, 5), (3, -7, 11), turn, (1, -1, 1)), (1.1, 1.73, 0.8)),
        ("permuted", (6, 5, 8), affine_of((1, 1, 1), (0, 1, 2)) @ affine_of((2, 1, 1.5), (0, 0, 0), np.eye(3)[[2, 0, 1]]), (1.3, 1.4, 1.1)),
        ("thin", (1, 9, 2), affine_of((1, 1.3, 4), (0, 0, 0)), (2, 1, 3)),
        ("same", (4, 3, 2), affine_of((1, 1.3, 4), (0, 0, 0)), (1, 1.3, 4)),
    ]
    for name, shape, affine, spacing in grids:
        image = rng.integers(-1000, 1000, (2, *shape)).astype(np.int16)
        label = rng.integers(0, 5, shape).astype(np.uint8)
        src = frame(name, affine, image=image, label=label)
        for mode in ("bilinear", "nearest"):
            fn = Spacing(spacing, diagonal=False, mode=mode, padding_mode="border", dtype=np.float64)
            near = Spacing(spacing, diagonal=False, mode="nearest", padding_mode="border", dtype=np.float64)
            y = fn(MetaTensor(torch.from_numpy(image.astype(np.float64)), affine=torch.from_numpy(affine)))
            lab = near(MetaTensor(torch.from_numpy(label[None].astype(np.float64)), affine=torch.from_numpy(affine)))
            kept = mode == "nearest" or name == "same"
            out = frame(name, y.affine.numpy(), image=y.numpy().astype(np.int16 if kept else np.float32), label=lab.numpy()[0].astype(np.uint8))
            triple = ",".join(str(v) for v in spacing)
            case(f"nii-resample -s {triple}" + (" --interp nearest" if mode == "nearest" else ""), src, out, 2e-4)


def orient():
    grids = [("oblique", rotation(0.4, -0.3, 0.6), (-1, -1, 1)), ("steep", rotation(1.0, 0.8, -2.2), (1, -1, 1)), ("swapped", np.eye(3)[[1, 2, 0]], (1, 1, -1))]
    for name, turn, flip in grids:
        affine = affine_of((0.9, 1.3, 2.2), (10, -20, 30), turn, flip)
        image = rng.integers(-1000, 1000, (2, 4, 3, 5)).astype(np.int16)
        label = rng.integers(0, 5, (4, 3, 5)).astype(np.uint8)
        src = frame(name, affine, image=image, label=label)
        for code in ("RAS", "LPS", "AIR"):
            fn = Orientation(code, labels=(("L", "R"), ("P", "A"), ("I", "S")))
            y = fn(MetaTensor(torch.from_numpy(image), affine=torch.from_numpy(affine)))
            lab = fn(MetaTensor(torch.from_numpy(label[None]), affine=torch.from_numpy(affine)))
            case(f"nii-resample --orient {code}", src, frame(name, y.affine.numpy(), image=y.numpy(), label=lab.numpy()[0]), 0)


normalize()
crop()
resample()
orient()
golden.write()
