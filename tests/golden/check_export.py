#!/usr/bin/env python3
"""seg-export and seg-import against PyTorch, onnx.checker and onnxruntime, run by hand with a Python that has monai, torch, safetensors,
dynamic_network_architectures, onnx, onnxruntime:
    python tests/golden/check_export.py build/bin tests/golden
SwinUNETR, with old names and new, is imported, exported, and loads strictly. For every unet-NAME.ts and arch-NAME.ts: the safetensors file loads strictly into the network of MONAI or nnU-Net, whose state_dict, saved by torch.save,
is imported as the same model; the ONNX model passes onnx.checker's full check and gives the golden logits, and PyTorch's for another batch and size.
Prints the largest difference over the largest magnitude; fails above 1e-4. A network that normalises by its batch at inference too is refused as ONNX."""
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
from make_arch import build
from monai.networks.nets import SwinUNETR
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
    io = frames(path)
    for suffix in ("onnx", "safetensors"):
        run("seg-export", path, "-o", f"{tmp}/net.{suffix}")
    with safe_open(f"{tmp}/net.safetensors", "pt") as f:
        arch = json.loads(f.metadata()["arch"])
        assert f.metadata()["format"] == "pt"
    net = build(arch["_target_"], {k: v for k, v in arch.items() if k != "_target_"})
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


for v2 in (False, True):
    options = {"in_channels": 1, "out_channels": 2, "feature_size": 12, "use_v2": v2}
    net, again = SwinUNETR(**options).eval(), SwinUNETR(**options).eval()
    with tempfile.TemporaryDirectory() as tmp:
        old = {k.replace("swinViT.", "swin_vit.").replace(".mlp.linear", ".mlp.fc"): v for k, v in net.state_dict().items()}
        torch.save({"state_dict": {"module." + k: v for k, v in old.items()}}, f"{tmp}/net.pt")
        run("seg-import", "-q", "--arch", json.dumps({"_target_": "SwinUNETR", **options}), f"{tmp}/net.pt", "-o", f"{tmp}/net.ts")
        run("seg-export", f"{tmp}/net.ts", "-o", f"{tmp}/net.safetensors")
        again.load_state_dict(load_file(f"{tmp}/net.safetensors"), strict=True)
    x = torch.randn(1, 1, 64, 32, 32)
    assert torch.equal(net(x), again(x))
swish = os.path.join(GOLDEN, "arch-unet-swish.ts")
refused = subprocess.run([os.path.join(BIN, "seg-export"), "--format", "onnx", swish], capture_output=True, text=True, check=False)
assert refused.returncode == 1 and refused.stderr == "seg-export: model.0.conv.unit0.adn.N: this operation is not written as ONNX\n"
for path in sorted(glob.glob(os.path.join(GOLDEN, "unet-*.ts")) + glob.glob(os.path.join(GOLDEN, "arch-*.ts"))):
    if path == swish:
        continue
    with tempfile.TemporaryDirectory() as tmp:
        first, second = check(path, tmp)
    print(f"{os.path.basename(path):24} golden {first:.2e}, another batch and size {second:.2e}", flush=True)
    worst = max(worst, first, second)
print(f"worst {worst:.2e}")
sys.exit(worst > 1e-4)
