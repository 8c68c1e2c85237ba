#!/usr/bin/env python3
"""Golden numbers of tests/unit/swin.c: MONAI's SwinUNETR, UNETR and VNet with weights, input and labels made by a formula that the test has, too, since even the smallest of
these networks has millions of weights. Run by hand with a Python that has monai and torch:
    python tests/golden/make_swin.py tests/golden [swin] [unetr] [vnet] [flat]
swin.tsv, and unetr.tsv, vnet.tsv and flat.tsv (both transformers of two dimensions: D, H or W is 1) alike, has lines: "case NAME ARCH N D H W", then "logit INDEX VALUE" of some of [n,c,d,h,w], "loss VALUE" of DiceCELoss(squared_pred=True), "grad NORM PRODUCT
NAME" (PRODUCT: of the gradient and the noise of its name), "values SLOPE HALF" and, of some, "step VALUE": the losses of five steps of AdamW. A case with axes:
MONAI's network runs on arrays whose axes are turned, x,y,z or, of a slice, x,y.
With batch normalisation the logits are the batch's statistics', without dropout; before them
stand "eval INDEX VALUE", of the running ones.
swin.ts, unetr.ts, vnet.ts and flat.ts have a tensor NAME for each case, [gradients, 48]: values of the gradients in the .tsv's order, every k-th, k = ceil(values / 48), 0 behind the last. All
gradients are of the network whose LeakyReLUs have the slope SLOPE: with their own, at whose kink roundings decide, float32 is up to 1e-2 from float64. HALF: how far
torch's autocast to bfloat16 is from them, the norm of the difference over theirs; with weights a thousandth off it is up to 2.0 times as far. No case may come
down to an instance of two voxels, which normalisation makes +1 and -1 whatever they are: there it was 0.025 to 0.060 by the roundings, else it is 0.003 to 0.008."""
import json
import math
import os
import sys
import zlib

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import UNETR, SwinUNETR, VNet
from safetensors.numpy import save

CASES = {  # name: (arch, batch, size)
    "v1": (dict(in_channels=1, out_channels=2, feature_size=12), 1, (64, 32, 64)),
    "v2": (dict(in_channels=2, out_channels=3, feature_size=12, depths=[1, 2, 1, 1], num_heads=[2, 3, 6, 12], window_size=[4, 3, 2], downsample="mergingv2",
                use_v2=True, normalize=False, qkv_bias=False, patch_norm=True, mlp_ratio=2.0), 2, (64, 32, 64)),
    "xyz": (dict(in_channels=1, out_channels=2, feature_size=12, window_size=[3, 5, 7], axes="xyz"), 1, (64, 32, 96)),
    "group": (dict(in_channels=1, out_channels=2, feature_size=12, depths=[1, 1, 2, 1], num_heads=[1, 2, 3, 4], norm_name=["GROUP", {"num_groups": 4, "eps": 1e-4}]),
              1, (32, 64, 32)),
}
UNETRS = {
    "conv": (dict(in_channels=1, out_channels=2, img_size=[32, 48, 16], feature_size=4, hidden_size=24, mlp_dim=40, num_heads=3), 2, (32, 48, 16)),
    "perceptron": (dict(in_channels=1, out_channels=3, img_size=[16, 32, 48], feature_size=3, hidden_size=32, mlp_dim=0, num_heads=2, proj_type="perceptron",
                        norm_name=["INSTANCE", {"affine": True}], conv_block=False, qkv_bias=True), 1, (16, 32, 48)),
    "channels": (dict(in_channels=3, out_channels=2, img_size=[32, 16, 48], feature_size=3, hidden_size=16, mlp_dim=24, num_heads=2, proj_type="perceptron",
                      conv_block=False), 2, (32, 16, 48)),
    "plain": (dict(in_channels=2, out_channels=2, img_size=32, feature_size=4, hidden_size=16, mlp_dim=48, num_heads=1, res_block=False, save_attn=False,
                   norm_name=["GROUP", {"num_groups": 2}]), 1, (32, 32, 32)),
}
VNETS = {
    "elu": (dict(in_channels=1, out_channels=2), 1, (32, 32, 32)),
    "prelu": (dict(in_channels=4, out_channels=3, act="prelu", bias=True, dropout_prob_down=None, dropout_prob_up=[None, 0.3], dropout_dim=1), 2, (32, 16, 32)),
}
FLATS = {
    "slice": (SwinUNETR, dict(spatial_dims=2, in_channels=1, out_channels=2, feature_size=12), 2, (96, 64)),
    "slice-v2-xyz": (SwinUNETR, dict(spatial_dims=2, slice_axis="y", axes="xyz", in_channels=2, out_channels=3, feature_size=12, depths=[1, 2, 1, 1], num_heads=[2, 3, 6, 12],
                                     window_size=[4, 3], downsample="mergingv2", use_v2=True, normalize=False, qkv_bias=False, patch_norm=True, mlp_ratio=2.0), 2, (64, 96)),
    "slice-conv": (UNETR, dict(spatial_dims=2, in_channels=1, out_channels=2, img_size=[32, 48], feature_size=4, hidden_size=24, mlp_dim=40, num_heads=3), 2, (32, 48)),
    "slice-perceptron": (UNETR, dict(spatial_dims=2, slice_axis="x", in_channels=3, out_channels=2, img_size=[48, 32], feature_size=4, hidden_size=32, mlp_dim=40, num_heads=4,
                                     proj_type="perceptron", conv_block=False, qkv_bias=True), 2, (48, 32)),
}
FILES = {"swin": {k: (SwinUNETR, *v) for k, v in CASES.items()}, "unetr": {k: (UNETR, *v) for k, v in UNETRS.items()}, "vnet": {k: (VNet, *v) for k, v in VNETS.items()},
         "flat": FLATS}
OURS = ("axes", "slice_axis", "spatial_dims")
STEPS = ("v1", "group", "conv", "slice", "slice-conv")
VALUES = 48
SLOPE = 0.99
SLOPES = 0.01  # of PReLUs, around 1: kinks again


def noise(name, n):
    """n numbers in [-1, 1), exact in float32."""
    z = (np.arange(n, dtype=np.uint64) * 0x9E3779B1 + zlib.crc32(name.encode())) & 0xFFFFFFFF
    z ^= z >> 16
    z = z * 0x85EBCA6B & 0xFFFFFFFF
    z ^= z >> 13
    return (z >> 8).astype(np.float64) / 2**23 - 1


def turned(t, axes):
    """Between our order and the other (axes: how many), where it has so many axes of space."""
    return t.movedim((-1, -axes), (-axes, -1)) if axes and t.dim() == 2 + axes else t


def fill(name, p, axes):
    u = noise(name, p.numel())
    if p.dim() == 1:
        v = (SLOPES if "act_function" in name else 0.2) * u + (1 if name.endswith(("weight", "running_var")) else 0)
    elif name.endswith("table"):
        v = 0.5 * u
    else:
        v = u * (1.5 / math.sqrt(p.numel() // p.shape[0]))
    p.data.copy_(turned(torch.from_numpy(v.astype(np.float32).reshape(p.shape)), axes))


def gradients(net, x, label, axes):
    """Logits, loss, and every parameter's gradient, flat."""
    net.zero_grad()
    out = turned(net(turned(x, axes)), axes)
    loss = DiceCELoss(softmax=True, to_onehot_y=True, squared_pred=True)(out if out.dtype == torch.float64 else out.float(), label)
    loss.backward()
    return out.detach().double().numpy().ravel(), loss.item(), {k: turned(p.grad, axes).double().numpy().ravel() for k, p in net.named_parameters() if p.grad is not None}


def bend(net, slope):
    for m in net.modules():
        if isinstance(m, torch.nn.LeakyReLU):
            m.negative_slope = slope


def some(grads):
    """[gradients, VALUES]"""
    rows = np.zeros((len(grads), VALUES), np.float32)
    for row, g in zip(rows, grads.values()):
        v = g[::-(-g.size // VALUES)]
        row[: v.size] = v
    return rows


def tell(word, logits, f):
    for i in range(0, logits.size, logits.size // 400 | 1):
        print(word, i, "%.8g" % logits[i], sep="\t", file=f)


def make(target, name, options, batch, size, f):
    dims = options.get("spatial_dims", 3)
    axes = dims if "axes" in options else 0
    theirs = {k: v[::-1] if axes and k == "window_size" else tuple(v) if k in ("norm_name", "dropout_prob_up") else v for k, v in options.items() if k not in OURS}
    net = target(spatial_dims=dims, **theirs).eval().double()
    for k, p in (*net.named_parameters(), *net.named_buffers()):
        if p.is_floating_point():
            fill(k, p, axes)
    shape = (batch, options["in_channels"]) + size
    x = torch.from_numpy(noise("input", math.prod(shape)).astype(np.float32).reshape(shape)).double()
    label = torch.from_numpy(((noise("label", batch * math.prod(size)) + 1) / 2 * options["out_channels"]).astype(np.int64).reshape((batch, 1) + size))
    arch = json.dumps(dict({"_target_": target.__name__, "spatial_dims": 3}, **options), separators=(",", ":"))
    print("case", name, arch, batch, *(np.insert(size, "zyx".index(options.get("slice_axis", "z")), 1) if dims == 2 else size), sep="\t", file=f)
    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm3d)]
    if norms:
        tell("eval", net(x).detach().numpy().ravel(), f)
    for m in norms:
        m.train()
    logits, loss, _ = gradients(net, x, label, axes)
    tell("logit", logits, f)
    print("loss", "%.9g" % loss, sep="\t", file=f)
    bend(net, SLOPE)
    grads = gradients(net, x, label, axes)[2]
    for k, g in grads.items():
        print("grad", "%.7g" % np.linalg.norm(g), "%.7g" % (g @ noise("grad" + k, g.size)), k, sep="\t", file=f)
    values = some(grads)
    with torch.autocast("cpu", torch.bfloat16):
        half = some(gradients(net.float(), x.float(), label, axes)[2])
    print("values", SLOPE, "%.3g" % (np.linalg.norm(half - values) / np.linalg.norm(values)), sep="\t", file=f)
    bend(net, 0.01)
    if name in STEPS:
        steps(net.double(), x, label, f)
    return values


def steps(net, x, label, f):
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-2)
    for _ in range(5):
        loss = gradients(net, x, label, 0)[1]
        optimizer.step()
        print("step", "%.9g" % loss, sep="\t", file=f)


def main(folder, names):
    for file in names or FILES:
        with open(os.path.join(folder, file + ".tsv"), "w") as f:
            values = {name: make(target, name, *case, f) for name, (target, *case) in FILES[file].items()}
        with open(os.path.join(folder, file + ".ts"), "wb") as f:
            f.write(save(values, {"niipipe": "1", "kind": "volume", "id": "golden"}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
