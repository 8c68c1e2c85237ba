#!/usr/bin/env python3
"""Golden files of tests/seg-train.bats: MONAI trains a small UNet, five steps of two patches; two channels, three classes. Run by hand with a Python that has
monai and torch:  python tests/golden/make_train.py tests/golden

train_init.ts     the model before        train_patches.ts  ten patches, in order
train_val.ts      two volumes             train.tsv         per loss: the option, the five losses, Dice of the volumes after the last step
train_final.ts    the model after five steps of dicece"""
import json
import os
import sys

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from monai.losses import DiceCELoss, DiceLoss
from monai.networks.nets import UNet

from frame import IDENTITY, frame

ARCH = {"_target_": "UNet", "spatial_dims": 3, "in_channels": 2, "out_channels": 3, "channels": [4, 8], "strides": [2], "num_res_units": 1,
        "kernel_size": 3}
SIZE = (6, 8, 10)  # z,y,x
LOSSES = {
    "dicece": lambda x, y: DiceCELoss(softmax=True, to_onehot_y=True, squared_pred=True)(x, y),
    "dicece --no-squared": lambda x, y: DiceCELoss(softmax=True, to_onehot_y=True)(x, y),
    "dice --no-background": lambda x, y: DiceLoss(softmax=True, to_onehot_y=True, squared_pred=True, include_background=False)(x, y),
    "ce": lambda x, y: torch.nn.functional.cross_entropy(x, y[:, 0]),
}


def case(rng, size):
    label = (rng.random(size) ** 3 * 3).astype(np.uint8)
    image = np.stack([label + 0.5 * rng.standard_normal(size), rng.standard_normal(size)]).astype(np.float32)
    return image, label


def model(net):
    weights = {k: v.detach().numpy().copy() for k, v in net.state_dict().items()}
    return frame(weights, niipipe="1", kind="model", id="UNet", arch=json.dumps(ARCH), replay="[]")


def dice(net, volumes):
    cases = []
    for image, label in volumes:
        with torch.no_grad():
            out = sliding_window_inference(torch.from_numpy(image)[None], SIZE, 1, net, overlap=0.25, mode="gaussian")
        pred = out.argmax(1)[0].numpy()
        cases.append(np.mean([2 * ((pred == c) & (label == c)).sum() / ((pred == c).sum() + (label == c).sum()) for c in (1, 2)]))
    return np.mean(cases)


def train(loss, state, patches, volumes):
    net = UNet(**{k: v for k, v in ARCH.items() if k != "_target_"})
    net.load_state_dict(state)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=1e-3, betas=(0.8, 0.99))
    losses = []
    for i in range(0, 10, 2):
        x = torch.from_numpy(np.stack([p[0] for p in patches[i:i + 2]]))
        y = torch.from_numpy(np.stack([p[1][None] for p in patches[i:i + 2]]).astype(np.int64))
        optimizer.zero_grad()
        v = loss(net(x), y)
        v.backward()
        optimizer.step()
        losses.append(v.item())
    return net, losses, dice(net, volumes)


def start():
    """The network before, the patches, the volumes."""
    rng = np.random.default_rng(5)
    torch.manual_seed(5)
    torch.set_num_threads(1)
    first = UNet(**{k: v for k, v in ARCH.items() if k != "_target_"})
    return first, [case(rng, SIZE) for _ in range(10)], [case(rng, (7, 9, 17)), case(rng, (5, 12, 10))]


def main(where):
    first, patches, volumes = start()

    def volume(kind, name, c, **more):
        return frame({"image": c[0], "label": c[1]}, niipipe="1", kind=kind, id=name, affine=IDENTITY, **more)

    def put(name, data):
        with open(os.path.join(where, name), "wb") as f:
            f.write(data)

    put("train_init.ts", model(first))
    put("train_patches.ts", b"".join(volume("patch", f"case{i}", p, patch=i) for i, p in enumerate(patches)))
    put("train_val.ts", b"".join(volume("volume", f"val{i}", v) for i, v in enumerate(volumes)))
    with open(os.path.join(where, "train.tsv"), "w") as f:
        for name, loss in LOSSES.items():
            net, losses, d = train(loss, first.state_dict(), patches, volumes)
            print("--loss " + name, *(f"{v:.7f}" for v in losses), f"{d:.6f}", sep="\t", file=f)
            if name == "dicece":
                put("train_final.ts", model(net))


if __name__ == "__main__":
    main(sys.argv[1])
