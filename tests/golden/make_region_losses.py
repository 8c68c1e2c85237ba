#!/usr/bin/env python3
"""Golden file of tests/unit/loss.c: losses of regions, by nnU-Net's and MONAI's own classes, with their gradients; truth as labels, which nnU-Net's transform
makes regions. region-losses.ts has a frame a case as losses.ts of make_optim.py, with metadata `regions`. Run by hand with a Python that has monai and nnunetv2:
    python tests/golden/make_region_losses.py tests/golden"""
import json
import os
import sys

import numpy as np
import torch
from batchgeneratorsv2.transforms.utils.seg_to_regions import ConvertSegmentationToRegionsTransform
from monai.losses import DiceFocalLoss, DiceLoss, FocalLoss, GeneralizedDiceLoss, TverskyLoss
from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss

from frame import frame

MONAI = {c.__name__: c for c in (DiceFocalLoss, DiceLoss, FocalLoss, GeneralizedDiceLoss, TverskyLoss)}
NNUNET = 9  # in HYPER_LOSSES
BRATS = [("whole", [1, 2, 3], 1), ("core", [2, 3], 2), ("enhancing", [3], 3)]
ONE = [("all", [1, 2], 1)]
# regions, options of ours, which of the labels are ignored
NNUNETS = [(BRATS, {}, None), (BRATS, {"batch-dice": 1}, None), (BRATS, {}, 4), (ONE, {"lambda-ce": 0.5}, None), (BRATS, {"batch-dice": 1, "lambda-dice": 2.0}, 4)]
CONFIGS = [
    {"_target_": "DiceLoss", "sigmoid": True, "smooth_nr": 0.0, "smooth_dr": 1e-5, "squared_pred": True, "to_onehot_y": False},  # MONAI's for BraTS
    {"_target_": "DiceLoss", "sigmoid": True, "jaccard": True, "batch": True, "weight": [0.5, 2.0, 3.0]},
    {"_target_": "DiceFocalLoss", "sigmoid": True, "gamma": 1.5, "alpha": 0.7, "lambda_focal": 3.0},
    {"_target_": "FocalLoss", "gamma": 2.0},
    {"_target_": "TverskyLoss", "sigmoid": True, "alpha": 0.3, "beta": 0.7},
    {"_target_": "GeneralizedDiceLoss", "sigmoid": True, "w_type": "simple"},
]
OUT = sys.argv[1]
rng = np.random.default_rng(11)


def draw(regions, ignore):
    """Logits [n,vox,k] and labels [n,vox]; the same as tensors, the labels as nnU-Net has them: [n,k(+1),vox,1,1] of booleans."""
    n, vox, k = 2, 21, len(regions)
    logits = (3 * rng.standard_normal((n, vox, k))).astype(np.float32)
    logits[0, 0] = 30 * rng.choice([-1, 1], k)
    truth = rng.integers(0, 1 + max(max(r[1]) for r in regions), (n, vox)).astype(np.uint8)
    if ignore:
        truth[rng.random(truth.shape) < 0.33] = ignore
    x = torch.from_numpy(logits).double().movedim(-1, 1)[..., None, None].clone().requires_grad_()
    convert = ConvertSegmentationToRegionsTransform([r[1] for r in regions] + ([ignore] if ignore else []), 0)
    y = torch.stack([convert(segmentation=torch.from_numpy(t.astype(np.int16))[None, :, None, None])["segmentation"] for t in truth])
    return logits, truth, x, y


def case(name, regions, drawn, values, **meta):
    logits, truth, x, _ = drawn
    values[0].backward()
    grad = x.grad[..., 0, 0].movedim(1, -1).float().numpy()
    told = [{"name": a, "labels": b, "label": c, "order": i} for i, (a, b, c) in enumerate(regions)]
    return frame({"logits": logits, "truth": truth, "grad": grad}, niipipe="1", kind="loss", id=name, value=",".join(f"{v:.10g}" for v in values),
                 regions=json.dumps(told), **meta)


frames = []
for i, (regions, o, ignore) in enumerate(NNUNETS):
    drawn = draw(regions, ignore)
    dice = {"batch_dice": bool(o.get("batch-dice", 0)), "do_bg": True, "smooth": 1e-5, "ddp": False}
    ask = lambda ce, dc: DC_and_BCE_loss({}, dict(dice), ce, dc, use_ignore_label=ignore is not None, dice_class=MemoryEfficientSoftDiceLoss)(*drawn[2:])
    values = ask(o.get("lambda-ce", 1.0), o.get("lambda-dice", 1.0)), ask(0, 1), ask(1, 0)
    options = json.dumps({"loss": NNUNET, **o, **({"ignore-label": ignore} if ignore else {})})
    frames.append(case(f"{i}-nnunet-regions", regions, drawn, values, options=options))
for i, c in enumerate(CONFIGS):
    drawn = draw(BRATS, None)
    own = {key: v for key, v in c.items() if key != "_target_"}
    if "weight" in own:
        own["weight"] = torch.tensor(own["weight"], dtype=torch.float64)
    value = MONAI[c["_target_"]](**own)(drawn[2], drawn[3].double())
    frames.append(case(f"{i}-{c['_target_']}-regions", BRATS, drawn, [value], config=json.dumps(c)))
with open(os.path.join(OUT, "region-losses.ts"), "wb") as f:
    f.writelines(frames)
