#!/usr/bin/env python3
"""Golden files of tests/unit/net.c: small MONAI UNets. Run by hand with a Python that has monai, torch, safetensors:
    python tests/golden/make_unet.py tests/golden
Each unet-NAME.ts is a stream of two frames: the model as seg-train would write it (arch, weights), and what MONAI makes of it:
input [n,c,d,h,w], label [n,d,h,w], logits, losses (name by name), grad.NAME of DiceCELoss(squared_pred=True), steps: the losses of five AdamW steps."""
import json
import os
import sys

import numpy as np
import torch
from monai.losses import DiceCELoss, DiceLoss
from monai.networks.nets import UNet
from safetensors.numpy import save

TRIPLES = [[2, 2, 1], [1, 2, 2]]
CASES = {  # name: (arch, batch, size)
    "plain": (dict(in_channels=1, out_channels=2, channels=[4, 8, 16], strides=[2, 2], num_res_units=0), 1, (16, 12, 8)),
    "res1": (dict(in_channels=1, out_channels=2, channels=[4, 8, 16], strides=[2, 2], num_res_units=1), 1, (8, 12, 20)),
    "res2": (dict(in_channels=1, out_channels=2, channels=[4, 8, 16], strides=[2, 2], num_res_units=2), 2, (16, 12, 12)),
    "aniso": (dict(in_channels=2, out_channels=3, channels=[4, 8, 8], strides=TRIPLES, num_res_units=2), 2, (6, 12, 10)),
    "k5": (dict(in_channels=2, out_channels=2, channels=[3, 5], strides=[1], num_res_units=3, kernel_size=[3, 1, 5], up_kernel_size=[1, 3, 5], bias=False), 1, (5, 7, 9)),
    "affine": (dict(in_channels=1, out_channels=4, channels=[4, 4, 8, 8], strides=[2, 2, 1], num_res_units=2,
                    act=["LEAKYRELU", {"negative_slope": 0.1}], norm=["INSTANCE", {"affine": True, "eps": 1e-4}]), 1, (8, 8, 12)),
    "step3": (dict(in_channels=1, out_channels=2, channels=[4, 6, 8], strides=[3, 1], num_res_units=1, act="RELU"), 1, (9, 6, 12)),
}
LOSSES = {
    "dicece_squared": lambda: DiceCELoss(softmax=True, to_onehot_y=True, squared_pred=True),
    "dicece": lambda: DiceCELoss(softmax=True, to_onehot_y=True, lambda_dice=0.7, lambda_ce=1.3),
    "dice": lambda: DiceLoss(softmax=True, to_onehot_y=True),
    "dice_foreground": lambda: DiceLoss(softmax=True, to_onehot_y=True, include_background=False, squared_pred=True),
    "dice_batch": lambda: DiceLoss(softmax=True, to_onehot_y=True, batch=True),
    "ce": lambda: lambda x, y: torch.nn.functional.cross_entropy(x, y[:, 0].long()),
}


def stream(arch, net, tensors):
    weights = {k: v.detach().numpy().copy() for k, v in net.state_dict().items()}
    meta = {"niipipe": "1", "id": "golden"}
    model = dict(meta, kind="model", arch=json.dumps(arch), replay="[]")
    return save(weights, model) + save(tensors, dict(meta, kind="patch"))


def make(name, seed):
    options, batch, size = CASES[name]
    torch.manual_seed(seed)
    net = UNet(spatial_dims=3, **options)
    x = torch.randn(batch, options["in_channels"], *size)
    label = (torch.rand(batch, 1, *size) ** 2 * options["out_channels"]).long()
    out = net(x)
    t = {"input": x.numpy(), "label": label[:, 0].numpy().astype(np.uint8), "logits": out.detach().numpy()}
    for k, loss in LOSSES.items():
        t["loss." + k] = np.array([loss()(out, label).item()])
    LOSSES["dicece_squared"]()(out, label).backward()
    for k, p in net.named_parameters():
        t["grad." + k] = p.grad.numpy().copy()
    arch = dict({"_target_": "UNet", "spatial_dims": 3}, **options)
    state = {k: v.clone() for k, v in net.state_dict().items()}
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=1e-2)
    steps = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = LOSSES["dicece_squared"]()(net(x), label)
        loss.backward()
        optimizer.step()
        steps.append(loss.item())
    t["steps"] = np.array(steps)
    net.load_state_dict(state)
    return stream(arch, net, t)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for i, name in enumerate(CASES):
        path = os.path.join(sys.argv[1], f"unet-{name}.ts")
        data = make(name, i)
        with open(path, "wb") as f:
            f.write(data)
        print(path, len(data))
