#!/usr/bin/env python3
"""Golden files of tests/slices.bats: a MONAI bundle of a network of two dimensions, its weights random, and what MONAI makes of bundle/volume.nii.gz with it by
SliceInferer, from file to labels on the file's grid. Run by hand with a Python that has monai, torch, nibabel, numpy, after make_bundle.py:
    python tests/golden/make_slice_bundle.py tests/golden
In slice-bundle.ts: image and logits on the prepared grid, labels on the file's. No voxel is so close to a tie that logits off by 1e-5 could change its label."""
import json
import os
import sys

import numpy as np
import torch
from frame import IDENTITY, frame
from monai.bundle import ConfigParser

OUT = sys.argv[1]
CLASSES = 3
KEY = {"keys": "image"}
CONFIG = {
    "network_def": {"_target_": "UNet", "spatial_dims": 2, "in_channels": 1, "out_channels": CLASSES, "channels": [4, 6, 8], "strides": [2, [2, 1]],
                    "kernel_size": [5, 3], "num_res_units": 1, "norm": "batch"},
    "network": "$@network_def",
    "preprocessing": {"_target_": "Compose", "transforms": [
        {"_target_": "LoadImaged", **KEY}, {"_target_": "EnsureChannelFirstd", **KEY}, {"_target_": "Orientationd", "axcodes": "RAS", **KEY},
        {"_target_": "Spacingd", "pixdim": [1.2, 1.4, -1], "mode": "bilinear", **KEY},
        {"_target_": "ScaleIntensityRanged", "a_min": -180, "a_max": 100, "b_min": 0, "b_max": 1, "clip": True, **KEY}]},
    "inferer": {"_target_": "SliceInferer", "spatial_dim": 1, "roi_size": [12, 8], "sw_batch_size": 4, "overlap": 0.5},
    "postprocessing": {"_target_": "Compose", "transforms": [
        {"_target_": "Activationsd", "keys": "pred", "softmax": True},
        {"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "orig_keys": "image", "nearest_interp": False, "to_tensor": True},
        {"_target_": "AsDiscreted", "keys": "pred", "argmax": True}]}}


def zyx(a):
    return np.asarray(a).transpose(0, 3, 2, 1)


def run(seed):
    parser = ConfigParser(CONFIG)
    torch.manual_seed(seed)
    net, pre, infer, post = (parser.get_parsed_content(k) for k in ("network", "preprocessing", "inferer", "postprocessing"))
    for k, v in net.eval().state_dict().items():
        if "running_var" in k:
            v.uniform_(0.5, 2)
        elif "running_mean" in k:
            v.normal_(0, 0.2)
        elif v.dim() == 4:
            v.mul_(2.5)
    torch.save(net.state_dict(), os.path.join(OUT, "slice-bundle/models/model.pt"))
    data = pre({"image": os.path.join(OUT, "bundle/volume.nii.gz")})
    with torch.no_grad():
        data["pred"] = infer(inputs=data["image"][None], network=net)[0]
    prepared = {"image": zyx(data["image"]).astype(np.float32), "prob": zyx(data["pred"]).astype(np.float32).copy()}
    for t in post.transforms[:-1]:
        data = t(data)
    near = np.sort(np.asarray(data["pred"]), 0)
    label = np.asarray(post.transforms[-1](data)["pred"])
    with open(os.path.join(OUT, "slice-bundle.ts"), "wb") as f:
        f.write(frame(prepared, niipipe=1, kind="volume", id="volume", affine=IDENTITY, prob="logits"))
        f.write(frame({"pred": zyx(label)[0].astype(np.uint8)}, niipipe=1, kind="volume", id="volume", affine=IDENTITY))
    count, near = np.bincount(label.astype(int).ravel(), minlength=CLASSES), (near[-1] - near[-2]).min()
    print("seed", seed, prepared["prob"].shape, count, "nearest to a tie", near)
    return near > 2e-5 and count.min() > 100


for folder in ("configs", "models"):
    os.makedirs(os.path.join(OUT, "slice-bundle", folder), exist_ok=True)
with open(os.path.join(OUT, "slice-bundle/configs/inference.json"), "w") as f:
    json.dump(CONFIG, f, indent=1)
    f.write("\n")
if not any(run(seed) for seed in range(300)):
    sys.exit("every network ties somewhere")
