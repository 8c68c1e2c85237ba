#!/usr/bin/env python3
"""seg-export against onnx.checker, onnxruntime and MONAI, run by hand with a Python that has monai, torch, safetensors, onnx, onnxruntime:
    python tests/golden/check_onnx.py build/bin tests/golden
For every unet-NAME.ts: the ONNX model passes onnx.checker's full check and gives MONAI's logits, also for another batch and size; the safetensors file
loads strictly into MONAI's UNet. Prints the largest difference over the largest magnitude; fails above 1e-4."""
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
from monai.networks.nets import UNet
from safetensors import safe_open
from safetensors.torch import load, load_file

BIN, GOLDEN = sys.argv[1:3]
worst = 0


def difference(a, b):
    return float(np.abs(a - b).max() / np.abs(b).max())


for path in sorted(glob.glob(os.path.join(GOLDEN, "unet-*.ts"))):
    with tempfile.TemporaryDirectory() as tmp:
        for suffix in ("onnx", "safetensors"):
            subprocess.run([os.path.join(BIN, "seg-export"), path, "-o", f"{tmp}/net.{suffix}"], check=True)
        data = open(path, "rb").read()
        n = int.from_bytes(data[:8], "little")
        end = 8 + n + max(v["data_offsets"][1] for k, v in json.loads(data[8:8 + n]).items() if k != "__metadata__")
        io = load(data[end:])
        with safe_open(f"{tmp}/net.safetensors", "pt") as f:
            arch = json.loads(f.metadata()["arch"])
            assert f.metadata()["format"] == "pt"
        net = UNet(**{k: v for k, v in arch.items() if k != "_target_"}).eval()
        net.load_state_dict(load_file(f"{tmp}/net.safetensors"), strict=True)
        onnx.checker.check_model(f"{tmp}/net.onnx", full_check=True)
        session = onnxruntime.InferenceSession(f"{tmp}/net.onnx", providers=["CPUExecutionProvider"])
        first = difference(session.run(["logits"], {"input": io["input"].numpy()})[0], io["logits"].numpy())
        x = torch.randn(3, io["input"].shape[1], *[s + 4 * m for s, m in zip((16, 12, 12), (3, 3, 6))])[:, :, :24, :24, :36]
        with torch.no_grad():
            second = difference(session.run(["logits"], {"input": x.numpy()})[0], net(x).numpy())
        print(f"{os.path.basename(path):20} golden {first:.2e}, another batch and size {second:.2e}")
        worst = max(worst, first, second)
print(f"worst {worst:.2e}")
sys.exit(worst > 1e-4)
