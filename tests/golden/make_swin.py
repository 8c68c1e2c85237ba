#!/usr/bin/env python3
"""Golden numbers of tests/unit/swin.c: MONAI's SwinUNETR with weights, input and labels made by a formula that the test has, too, since even the smallest of
these networks has millions of weights. Run by hand with a Python that has monai and torch:
    python tests/golden/make_swin.py >tests/golden/swin.tsv
Lines: "case NAME ARCH N D H W", then "logit INDEX VALUE" of some of [n,c,d,h,w], "loss VALUE" of DiceCELoss(squared_pred=True), "grad NORM PRODUCT NAME" (PRODUCT:
of the gradient and the noise of its name) and, of some, "step VALUE": the losses of five steps of AdamW. A case with axes: MONAI's network runs on x,y,z arrays."""
import json
import math
import zlib

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import SwinUNETR

CASES = {  # name: (arch, batch, size)
    "v1": (dict(in_channels=1, out_channels=2, feature_size=12), 1, (64, 32, 32)),
    "v2": (dict(in_channels=2, out_channels=3, feature_size=12, depths=[1, 2, 1, 1], num_heads=[2, 3, 6, 12], window_size=[4, 3, 2], downsample="mergingv2",
                use_v2=True, normalize=False, qkv_bias=False, patch_norm=True, mlp_ratio=2.0), 2, (64, 32, 64)),
    "xyz": (dict(in_channels=1, out_channels=2, feature_size=12, window_size=[3, 5, 7], axes="xyz"), 1, (64, 32, 96)),
    "group": (dict(in_channels=1, out_channels=2, feature_size=12, norm_name=["GROUP", {"num_groups": 4, "eps": 1e-4}], depths=[1, 1, 1, 1]), 1, (64, 32, 32)),
}
STEPS = ("v1",)


def noise(name, n):
    """n numbers in [-1, 1), exact in float32."""
    z = (np.arange(n, dtype=np.uint64) * 0x9E3779B1 + zlib.crc32(name.encode())) & 0xFFFFFFFF
    z ^= z >> 16
    z = z * 0x85EBCA6B & 0xFFFFFFFF
    z ^= z >> 13
    return (z >> 8).astype(np.float64) / 2**23 - 1


def turned(t, axes):
    """Between z,y,x and x,y,z, where it has three axes of space."""
    return t.movedim((-1, -3), (-3, -1)) if axes and t.dim() == 5 else t


def fill(name, p, axes):
    u = noise(name, p.numel())
    if p.dim() == 1:
        v = 0.2 * u + (1 if name.endswith("weight") else 0)
    elif name.endswith("table"):
        v = 0.5 * u
    else:
        v = u * (1.5 / math.sqrt(p.numel() // p.shape[0]))
    p.data.copy_(turned(torch.from_numpy(v.astype(np.float32).reshape(p.shape)), axes))


def make(name):
    options, batch, size = CASES[name]
    axes = "axes" in options
    theirs = {k: v[::-1] if axes and k == "window_size" else tuple(v) if k == "norm_name" else v for k, v in options.items() if k != "axes"}
    net = SwinUNETR(spatial_dims=3, **theirs).eval().double()
    for k, p in net.named_parameters():
        fill(k, p, axes)
    shape = (batch, options["in_channels"]) + size
    x = torch.from_numpy(noise("input", math.prod(shape)).astype(np.float32).reshape(shape)).double()
    label = torch.from_numpy(((noise("label", batch * math.prod(size)) + 1) / 2 * options["out_channels"]).astype(np.int64).reshape((batch, 1) + size))
    out = turned(net(turned(x, axes)), axes)
    arch = json.dumps(dict({"_target_": "SwinUNETR", "spatial_dims": 3}, **options), separators=(",", ":"))
    print("case", name, arch, batch, *size, sep="\t")
    flat = out.detach().numpy().ravel()
    for i in range(0, flat.size, flat.size // 400 | 1):
        print("logit", i, "%.8g" % flat[i], sep="\t")
    loss = DiceCELoss(softmax=True, to_onehot_y=True, squared_pred=True)(out, label)
    loss.backward()
    print("loss", "%.9g" % loss.item(), sep="\t")
    for k, p in net.named_parameters():
        grad = turned(p.grad, axes).numpy().ravel()
        print("grad", "%.7g" % np.linalg.norm(grad), "%.7g" % (grad @ noise("grad" + k, grad.size)), k, sep="\t")
    if name not in STEPS:
        return
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-2)
    for _ in range(5):
        optimizer.zero_grad()
        loss = DiceCELoss(softmax=True, to_onehot_y=True, squared_pred=True)(net(x), label)
        loss.backward()
        optimizer.step()
        print("step", "%.9g" % loss.item(), sep="\t")


if __name__ == "__main__":
    for case in CASES:
        make(case)
