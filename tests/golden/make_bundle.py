#!/usr/bin/env python3
"""Golden files of tests/seg-import-folder.bats: a MONAI bundle and what MONAI makes of a volume with it, from file to labels on the file's grid. Run by hand with
a Python that has monai, torch, nibabel, numpy:
    python tests/golden/make_bundle.py tests/golden/bundle
configs/inference.json is as model-zoo's spleen_ct_segmentation, but small; more.json has what else is known. In bundle-CONFIG.ts: image
and logits (of the first) on the prepared grid, labels on the file's. bundle-script.ts is the first with its weights as monai.bundle's ckpt_export makes TorchScript of
them; bundle-trace.ts the network alone, traced. No voxel is so close to a tie that logits off by NEAR / 4 could change its label: the scores that
are compared are taken from each other, and softmax makes differences smaller."""
import json
import os
import sys

import nibabel
import numpy as np
import torch
from monai.bundle import ConfigParser, ckpt_export

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from frame import IDENTITY, frame  # noqa: E402

OUT = sys.argv[1]
CLASSES = 3
NEAR = {"inference": 4e-5, "more": 4e-4}

NETWORK = {"_target_": "UNet", "spatial_dims": 3, "in_channels": 1, "out_channels": "@classes", "channels": [4, 6, 8], "strides": [[1, 2, 2], [2, 2, 1]],
           "kernel_size": [3, 3, 3], "num_res_units": 1, "norm": "batch"}
COMMON = {"imports": ["$import glob"], "bundle_root": ".", "image_key": "image", "classes": CLASSES,
          "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')", "network_def": NETWORK, "network": "$@network_def.to(@device)"}
SPLEEN = {**COMMON, "pixdim": [1.5, 1.25, 2.0], "preprocessing": {"_target_": "Compose", "transforms": [
              {"_target_": "LoadImaged", "keys": "@image_key"}, {"_target_": "EnsureChannelFirstd", "keys": "@image_key"},
              {"_target_": "Orientationd", "keys": "@image_key", "axcodes": "RAS"},
              {"_target_": "Spacingd", "keys": "@image_key", "pixdim": "@pixdim", "mode": "bilinear"},
              {"_target_": "ScaleIntensityRanged", "keys": "@image_key", "a_min": -57, "a_max": 164, "b_min": 0, "b_max": 1, "clip": True},
              {"_target_": "EnsureTyped", "keys": "@image_key", "device": "@device"}]},
          "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [12, 8, 8], "sw_batch_size": 4, "overlap": 0.5},
          "postprocessing": {"_target_": "Compose", "transforms": [
              {"_target_": "Activationsd", "keys": "pred", "softmax": True},
              {"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "orig_keys": "@image_key", "nearest_interp": False, "to_tensor": True},
              {"_target_": "AsDiscreted", "keys": "pred", "argmax": True}]}}
MORE = {**COMMON, "transforms": [
            {"_target_": "LoadImaged", "keys": ["image", "label"], "allow_missing_keys": True, "reader": "ITKReader", "_disabled_": True},
            {"_target_": "LoadImageD", "keys": ["image"], "dtype": "$np.float32"}, {"_target_": "EnsureTyped", "keys": "image"},
            {"_target_": "monai.transforms.EnsureChannelFirstd", "keys": "image"},
            {"_target_": "CropForegroundd", "keys": ["image"], "source_key": "image", "select_fn": "$lambda x: x > -100", "margin": [1, 2, 0]},
            {"_target_": "Orientationd", "keys": ["image"], "axcodes": "LPS"},
            {"_target_": "Spacingd", "keys": ["image"], "pixdim": [1.3, 1.3, 1.9], "mode": ["bilinear"], "padding_mode": "border", "align_corners": False},
            {"_target_": "ScaleIntensityRangePercentilesd", "keys": "image", "lower": 1, "upper": 99, "b_min": -1.5, "b_max": 2, "clip": True},
            {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True, "channel_wise": True},
            {"_target_": "ScaleIntensityd", "keys": "image", "minv": -1.0, "maxv": 1.0},
            {"_target_": "NormalizeIntensityd", "keys": "image", "subtrahend": 0.25, "divisor": 0.5},
            {"_target_": "SpatialPadd", "keys": "image", "spatial_size": [8, 26, -1]}, {"_target_": "DivisiblePadd", "keys": "image", "k": [4, 4, 2]},
            {"_target_": "CastToTyped", "keys": "image", "dtype": "$torch.float32"}],
        "preprocessing": {"_target_": "Compose", "transforms": "$@transforms"},
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [12, 8, 8], "overlap": "$@sw::overlap#1", "mode": "gaussian", "padding_mode": "replicate"},
        "sw": {"overlap": [0.5, 0.25]},
        "postprocessing": {"_target_": "Compose", "transforms": [
            {"_target_": "Activationsd", "keys": "pred", "softmax": True}, {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
            {"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "orig_keys": "image", "nearest_interp": True, "to_tensor": True}]}}
METADATA = {"version": "0.1.0", "network_data_format": {
    "inputs": {"image": {"type": "image", "num_channels": 1, "channel_def": {"0": "image"}}},
    "outputs": {"pred": {"type": "image", "num_channels": CLASSES, "channel_def": {"0": "background", "1": "spleen", "2": "cyst"}}}}}


def put(name, value):
    path = os.path.join(OUT, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(value, f, indent=1)
        f.write("\n")


def volume(seed):
    """A slanted volume whose axes are P, S and L, about [22,13,18] voxels of 1.1, 2.4 and 0.9 mm."""
    rng = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in (22, 13, 18)), indexing="ij")
    v = -140 + 190 * np.exp(-((x - .2) ** 2 + (y + .1) ** 2 * 2 + (z - .3) ** 2 * 1.5) * 2) + rng.normal(0, 25, x.shape)
    angle = 0.2
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.array([[0, 0, -0.9], [-1.1, 0, 0], [0, 2.4, 0]])
    affine[:3, 3] = 11, -7, 30
    image = nibabel.Nifti1Image(v.round().astype(np.int16), affine)
    nibabel.save(image, os.path.join(OUT, "volume.nii.gz"))


def network(seed):
    parser = ConfigParser(SPLEEN)
    torch.manual_seed(seed)
    net = parser.get_parsed_content("network_def").eval()
    for k, v in net.state_dict().items():
        if "running_var" in k:
            v.uniform_(0.5, 2)
        elif "running_mean" in k:
            v.normal_(0, 0.2)
        elif v.dim() == 5:
            v.mul_(2.5)
    torch.save(net.state_dict(), os.path.join(OUT, "models/model.pt"))


def zyx(a):
    return np.asarray(a).transpose(0, 3, 2, 1)


def run(name, config):
    """As MONAI's SupervisedEvaluator: preprocessing, network and inferer, postprocessing. Is no voxel near a tie?"""
    parser = ConfigParser(config)
    parser["device"] = torch.device("cpu")
    net = parser.get_parsed_content("network")
    net.load_state_dict(torch.load(os.path.join(OUT, "models/model.pt")))
    net.eval()
    pre, infer, post = (parser.get_parsed_content(k) for k in ("preprocessing", "inferer", "postprocessing"))
    data = pre({"image": os.path.join(OUT, "volume.nii.gz")})
    with torch.no_grad():
        data["pred"] = infer(inputs=data["image"][None], network=net)[0]
    logits = np.asarray(data["pred"]).copy()
    prepared = {"image": zyx(data["image"]).astype(np.float32), "prob": zyx(logits).astype(np.float32)}
    if name == "more":
        del prepared["prob"]
    scores = data
    for t in post.transforms[:-1] if name == "inference" else []:
        scores = t(scores)
    near = np.sort(np.asarray(scores["pred"]), 0)
    near = near[-1] - near[-2]
    label = np.asarray(post(data)["pred"])
    print(name, "prepared", logits.shape, "labels", label.shape, np.bincount(label.astype(int).ravel()), "nearest to a tie", near.min())
    with open(f"{OUT}-{name}.ts", "wb") as f:
        f.write(frame(prepared, niipipe=1, kind="volume", id="volume", affine=IDENTITY, prob="logits"))
        f.write(frame({"pred": zyx(label)[0].astype(np.uint8)}, niipipe=1, kind="volume", id="volume", affine=IDENTITY))
    return near.min() > NEAR[name] and np.bincount(label.astype(int).ravel(), minlength=CLASSES).min() > 100


put("configs/inference.json", SPLEEN)
put("configs/metadata.json", METADATA)
put("more.json", MORE)
os.makedirs(os.path.join(OUT, "models"), exist_ok=True)
volume(1)
for seed in range(400):
    network(seed)
    if run("inference", SPLEEN) and run("more", MORE):
        break
else:
    sys.exit("every network ties somewhere")
ckpt_export("network_def", f"{OUT}-script.ts", os.path.join(OUT, "models/model.pt"), os.path.join(OUT, "configs/metadata.json"),
            os.path.join(OUT, "configs/inference.json"))
traced = ConfigParser(SPLEEN).get_parsed_content("network_def").eval()
traced.load_state_dict(torch.load(os.path.join(OUT, "models/model.pt")))
torch.jit.save(torch.jit.trace(traced, torch.zeros(1, 1, 12, 8, 8)), f"{OUT}-trace.ts")
