#!/usr/bin/env python3
"""Golden file of tests/curve.bats: MONAI's UNet trained for 300 steps on patches that nii-patch makes, from the weights that seg-train begins with, and from
two others of torch's own. Run by hand with a Python that has monai, torch, safetensors:
    python tests/golden/make_curve.py build/bin tests/golden
curve.tsv: lines "run COMMAND", which make train.ts, val.ts and patches.ts; "sum SHA256" of patches.ts; "options" of seg-train; "same" (our weights), "one",
"two": 300 losses, then the mean Dice of val.ts."""
import hashlib
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from safetensors.torch import load, load_file

BIN, GOLDEN = sys.argv[1:3]
STEPS, BATCH, ROI = 300, 2, (16, 32, 32)  # z,y,x
RUN = [
    "nii-phantom -n 6 --seed 21 --size 48,48,24 --healthy 0 --volume 60,120 | nii-normalize --window=-1024,325 >train.ts",
    "nii-phantom -n 3 --seed 22 --size 48,48,24 --healthy 0 --volume 60,120 | nii-normalize --window=-1024,325 >val.ts",
    f"nii-patch -s 32,32,16 --pos 0.5 --seed 23 -n {STEPS * BATCH} train.ts | nii-augment --flip x --shift 0.1 --scale 0.1 --seed 24 >patches.ts",
]
OPTIONS = f"--channels 8,16,32 --strides 2,2 --batch {BATCH} --lr 2e-3 --decay 1e-4"
ARCH = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "channels": [8, 16, 32], "strides": [2, 2], "num_res_units": 2}


def frames(path):
    """The tensors of each"""
    data, at = open(path, "rb").read(), 0
    while at < len(data):
        n = int.from_bytes(data[at:at + 8], "little")
        end = at + 8 + n + max(v["data_offsets"][1] for k, v in json.loads(data[at + 8:at + 8 + n]).items() if k != "__metadata__")
        yield load(data[at:end])
        at = end


def dice(net, volumes):
    cases = []
    for v in volumes:
        with torch.no_grad():
            pred = sliding_window_inference(v["image"][None], ROI, 1, net.eval(), overlap=0.25, mode="gaussian").argmax(1)[0]
        a, b = pred == 1, v["label"] == 1
        cases.append((2 * (a & b).sum() / (a.sum() + b.sum())).item())
    return np.mean(cases)


def train(net, patches, volumes):
    loss = DiceCELoss(softmax=True, to_onehot_y=True, squared_pred=True)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-4)
    losses = []
    for i in range(0, len(patches), BATCH):
        x, y = (torch.stack([p[k] for p in patches[i:i + BATCH]]) for k in ("image", "label"))
        optimizer.zero_grad()
        v = loss(net.train()(x), y[:, None].long())
        v.backward()
        optimizer.step()
        losses.append(v.item())
    return losses + [dice(net, volumes)]


def main():
    os.environ["PATH"] = os.path.abspath(BIN) + ":" + os.environ["PATH"]
    torch.set_num_threads(1)
    runs = {}
    with tempfile.TemporaryDirectory() as tmp:
        def shell(command):
            subprocess.run(["bash", "-o", "pipefail", "-ec", command], cwd=tmp, check=True)
        for command in RUN:
            shell(command)
        shell(f"ts-select --index 0..1 patches.ts | seg-train {OPTIONS} --lr 0 --decay 0 -o init.ts && seg-export init.ts -o init.safetensors")
        patches, volumes = list(frames(f"{tmp}/patches.ts")), list(frames(f"{tmp}/val.ts"))
        for seed, name in enumerate(("same", "one", "two")):
            torch.manual_seed(seed)
            net = UNet(**ARCH)
            if name == "same":
                net.load_state_dict(load_file(f"{tmp}/init.safetensors"))
            runs[name] = train(net, patches, volumes)
            print(name, runs[name][0], runs[name][-2:], flush=True)
        digest = hashlib.sha256(open(f"{tmp}/patches.ts", "rb").read()).hexdigest()
    with open(os.path.join(GOLDEN, "curve.tsv"), "w") as f:
        for command in RUN:
            print("run", command, sep="\t", file=f)
        print("sum", digest, sep="\t", file=f)
        print("options", OPTIONS, sep="\t", file=f)
        for name, values in runs.items():
            print(name, *(f"{v:.6f}" for v in values), sep="\t", file=f)


if __name__ == "__main__":
    main()
