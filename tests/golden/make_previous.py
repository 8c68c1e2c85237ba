#!/usr/bin/env python3
"""Golden frame of tests/unit/previous.c: labels, and what nnU-Net's transforms for cascades make of one of them (batchgeneratorsv2's
ApplyRandomBinaryOperatorTransform, RemoveRandomConnectedComponentFromOneHotEncodingTransform): writes previous.ts. Tensor ball-OP-R-L: operation OP (dilate,
erode, close, open) with a ball of R on label L; remove-L: of components of label L below 2 % of the voxels, of which there is one, it is gone.

    python tests/golden/make_previous.py        needs batchgeneratorsv2; run by hand
"""
import os

import numpy as np
import torch
from batchgeneratorsv2.transforms.nnunet import random_binary_operator as operators
from batchgeneratorsv2.transforms.nnunet.remove_connected_components import RemoveRandomConnectedComponentFromOneHotEncodingTransform
from frame import IDENTITY, frame
from scipy.ndimage import gaussian_filter
from skimage.measure import label as components

rng = np.random.default_rng(20261127)
OPERATIONS = (operators.binary_dilation_torch, operators.binary_erosion_torch, operators.binary_closing_torch, operators.binary_opening_torch)
PART = 0.02

while True:
    field = gaussian_filter(rng.normal(size=(15, 18, 21)), 1.7)
    field /= field.std()
    label = np.where(field > 0.8, 1, np.where(field < -1.1, 2, 0)).astype(np.uint8)
    sizes = [np.bincount(components(label == k, connectivity=3).ravel())[1:] for k in (1, 2)]
    if all(len(s) > 1 and (s < PART * label.size).sum() == 1 for s in sizes):
        break


def hot():
    return torch.from_numpy(np.stack([label == 1, label == 2]).astype(np.float32))


def labels(channels):
    a = channels.numpy()
    assert a.sum(0).max() <= 1
    return (a[0] + 2 * a[1]).astype(np.uint8)


tensors = {"label": label}
for o, op in enumerate(OPERATIONS):
    for k, radius in ((0, 2), (0, 5), (1, 1), (1, 3)):
        t = operators.ApplyRandomBinaryOperatorTransform([0, 1])
        tensors[f"ball-{o}-{radius}-{k + 1}"] = labels(t._apply_to_image(hot(), apply_to_channels=[k], operators=[op], strel_size=[radius]))
for k in (0, 1):
    t = RemoveRandomConnectedComponentFromOneHotEncodingTransform([0, 1], 0, PART)
    tensors[f"remove-{k + 1}"] = labels(t._apply_to_image(hot(), apply_to_channels=[k]))
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "previous.ts"), "wb") as f:
    f.write(frame(tensors, niipipe=1, kind="patch", id="previous", affine=IDENTITY))
print({k: np.bincount(v.ravel(), minlength=3).tolist() for k, v in tensors.items()})
