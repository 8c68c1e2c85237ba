#!/usr/bin/env python3
"""seg-export and seg-import against PyTorch, onnx.checker and onnxruntime, run by hand with a Python that has monai, torch, safetensors,
dynamic_network_architectures, onnx, onnxruntime:
    python tests/golden/check_export.py build/bin tests/golden
SwinUNETR and UNETR, with old names and new, are imported, exported, load strictly, and as ONNX give PyTorch's logits (SwinUNETR for several sizes). For every unet-NAME.ts and
arch-NAME.ts: the safetensors file loads strictly into the network of MONAI or nnU-Net, whose state_dict, saved by torch.save, is imported as the same model;
the ONNX model passes onnx.checker's full check and gives the golden logits, and PyTorch's for another batch and size.
Prints the largest difference over the largest magnitude; fails above 1e-4."""
import glob
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import torch
from make_arch import build, slices
from monai.networks.nets import UNETR, SwinUNETR
from safetensors import safe_open
from safetensors.torch import load, load_file

BIN, GOLDEN = sys.argv[1:3]
worst = 0


def run(*args):
    subprocess.run([os.path.join(BIN, args[0]), *args[1:]], check=True)


def difference(a, b):
    return float(np.abs(a - b).max() / np.abs(b).max())


def frames(path):
    """The second frame's tensors"""
    data = open(path, "rb").read()
    n = int.from_bytes(data[:8], "little")
    return load(data[8 + n + max(v["data_offsets"][1] for k, v in json.loads(data[8:8 + n]).items() if k != "__metadata__"):])


def check(path, tmp):
    io = {k: v.float() for k, v in frames(path).items() if k in ("input", "logits")}
    for suffix in ("onnx", "safetensors"):
        run("seg-export", path, "-o", f"{tmp}/net.{suffix}")
    with safe_open(f"{tmp}/net.safetensors", "pt") as f:
        arch = json.loads(f.metadata()["arch"])
        assert f.metadata()["format"] == "pt"
    net = build(arch["_target_"], {k: v for k, v in arch.items() if k != "_target_"})
    if slices(arch) is not None:
        io = {k: v.squeeze(2 + slices(arch)) for k, v in io.items()}
    net.load_state_dict(load_file(f"{tmp}/net.safetensors"), strict=True)
    net.eval()
    torch.save({"state_dict": {"module." + k: v for k, v in net.state_dict().items()}}, f"{tmp}/net.pt")
    run("seg-import", "-q", "--arch", json.dumps(arch), f"{tmp}/net.pt", "-o", f"{tmp}/net.ts")
    run("ts-select", "--index", "0", path, "-o", f"{tmp}/model.ts")
    run("ts-cmp", "--data-only", f"{tmp}/net.ts", f"{tmp}/model.ts")
    onnx.checker.check_model(f"{tmp}/net.onnx", full_check=True)
    session = onnxruntime.InferenceSession(f"{tmp}/net.onnx", providers=["CPUExecutionProvider"])
    x = torch.randn(3, io["input"].shape[1], *[2 * n for n in io["input"].shape[2:]])
    with torch.no_grad():
        y = net(x)
    return (difference(session.run(["logits"], {"input": io["input"].numpy()})[0], io["logits"].numpy()),
            difference(session.run(["logits"], {"input": x.numpy()})[0], (y[0] if isinstance(y, (list, tuple)) else y).numpy()))


SMALL = dict(feature_size=4, hidden_size=24, mlp_dim=40, num_heads=3)
TRANSFORMERS = [  # options, sizes: windows larger than the input, padded, shifted or not on each axis
    (SwinUNETR, dict(feature_size=12), [(1, 64, 32, 32), (2, 96, 64, 32)]),
    (SwinUNETR, dict(feature_size=12, num_heads=[3, 3, 6, 6], window_size=[7, 5, 4], use_v2=True), [(1, 96, 64, 96)]),
    (SwinUNETR, dict(feature_size=12, depths=[1, 2, 1, 1], num_heads=[2, 3, 6, 12], window_size=[4, 3, 2], downsample="mergingv2", use_v2=True, normalize=False,
                     qkv_bias=False, patch_norm=True, mlp_ratio=2.0), [(2, 64, 32, 64)]),
    (SwinUNETR, dict(spatial_dims=2, feature_size=12), [(1, 64, 32), (3, 96, 224)]),
    (SwinUNETR, dict(spatial_dims=2, feature_size=12, num_heads=[3, 3, 6, 6], window_size=[7, 4], use_v2=True, downsample="mergingv2"), [(2, 96, 64)]),
    (UNETR, dict(SMALL, img_size=[16, 32, 48], qkv_bias=True), [(2, 16, 32, 48)]),
    (UNETR, dict(SMALL, img_size=[16, 32, 48], in_channels=2, proj_type="perceptron"), [(1, 16, 32, 48)]),
    (UNETR, dict(SMALL, spatial_dims=2, img_size=[32, 48]), [(2, 32, 48)]),
    (UNETR, dict(SMALL, spatial_dims=2, img_size=[48, 32], in_channels=2, proj_type="perceptron", conv_block=False), [(3, 48, 32)]),
]


def check_transformer(target, options, sizes, tmp):
    options = {"in_channels": 1, "out_channels": 2, **options}
    net, again = target(**options).eval(), target(**options).eval()
    for k, p in net.named_parameters():  # nothing at its beginning's 0 or 1
        if p.dim() == 1 or k.endswith(("table", "position_embeddings")):
            p.data.add_(0.3 * torch.randn_like(p))
    old = {k.replace("swinViT.", "swin_vit.").replace(".mlp.linear", ".mlp.fc"): v for k, v in net.state_dict().items()}
    torch.save({"state_dict": {"module." + k: v for k, v in old.items()}}, f"{tmp}/net.pt")
    arch = json.dumps({"_target_": target.__name__, **options})
    run("seg-import", "-q", "--arch", arch, f"{tmp}/net.pt", "-o", f"{tmp}/net.ts")
    run("seg-export", f"{tmp}/net.ts", "-o", f"{tmp}/net.safetensors")
    run("seg-export", f"{tmp}/net.ts", "-o", f"{tmp}/net.onnx")
    again.load_state_dict(load_file(f"{tmp}/net.safetensors"), strict=True)
    onnx.checker.check_model(f"{tmp}/net.onnx", full_check=True)
    session = onnxruntime.InferenceSession(f"{tmp}/net.onnx", providers=["CPUExecutionProvider"])
    for n, *size in sizes:
        x = torch.randn(n, options["in_channels"], *size)
        with torch.no_grad():
            y = net(x)
            assert torch.equal(y, again(x))
        yield difference(session.run(["logits"], {"input": x.numpy()})[0], y.numpy())
    # the same network as one that was trained on x,y,z arrays, or x,y; SwinUNETR there and back
    run("seg-import", "-q", "--axes", "xyz", "--arch", arch, f"{tmp}/net.pt", "-o", f"{tmp}/xyz.ts")
    run("seg-export", f"{tmp}/xyz.ts", "-o", f"{tmp}/xyz.onnx")
    run("seg-export", f"{tmp}/xyz.ts", "-o", f"{tmp}/back.safetensors")
    if target is SwinUNETR:
        again.load_state_dict(load_file(f"{tmp}/back.safetensors"), strict=True)
        assert torch.equal(y, again(x))
    session = onnxruntime.InferenceSession(f"{tmp}/xyz.onnx", providers=["CPUExecutionProvider"])
    swap = (2, x.dim() - 1), (x.dim() - 1, 2)
    turned = session.run(["logits"], {"input": x.movedim(*swap).numpy()})[0]
    yield difference(np.moveaxis(turned, *swap), y.numpy())


for case in TRANSFORMERS:
    with tempfile.TemporaryDirectory() as tmp:
        off = max(check_transformer(*case, tmp))
    print(f"{case[0].__name__} {case[2][0]} {off:.2e}", flush=True)
    worst = max(worst, off)
for path in sorted(glob.glob(os.path.join(GOLDEN, "unet-*.ts")) + glob.glob(os.path.join(GOLDEN, "arch-*.ts"))):
    with tempfile.TemporaryDirectory() as tmp:
        first, second = check(path, tmp)
    print(f"{os.path.basename(path):24} golden {first:.2e}, another batch and size {second:.2e}", flush=True)
    worst = max(worst, first, second)
print(f"worst {worst:.2e}")
sys.exit(worst > 1e-4)
