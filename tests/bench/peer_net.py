"""MONAI's UNet 16-32-64-128-256, 2 residual units, channels_last_3d: peer_net.py infer|train D,H,W REPEATS -> best seconds, peak MB"""
import resource
import sys
import time

import torch
from monai.losses import DiceCELoss
from monai.networks.nets import UNet

mode, size, repeats = sys.argv[1], [int(v) for v in sys.argv[2].split(",")], int(sys.argv[3])
torch.manual_seed(0)
net = UNet(3, 1, 2, (16, 32, 64, 128, 256), (2, 2, 2, 2), num_res_units=2).to(memory_format=torch.channels_last_3d)
x = torch.rand(1, 1, *size).to(memory_format=torch.channels_last_3d)
y = (torch.rand(1, 1, *size) < 0.1).float()
loss = DiceCELoss(to_onehot_y=True, softmax=True)
optimizer = torch.optim.AdamW(net.parameters(), 3e-4)


def infer():
    with torch.inference_mode():
        net(x)


def train():
    optimizer.zero_grad()
    loss(net(x), y).backward()
    optimizer.step()


run = {"infer": infer, "train": train}[mode]
net.train(mode == "train")
run()
best = float("inf")
for _ in range(repeats):
    begun = time.perf_counter()
    run()
    best = min(best, time.perf_counter() - begun)
print(f"{best:.4f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f}")
