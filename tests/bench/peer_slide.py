"""MONAI's sliding window over a scan of random numbers on a GPU, UNet 16-32-64-128-256, window 160x160x64, gaussian, autocast to bf16, channels_last_3d:
    python peer_slide.py X,Y,Z OVERLAP SW_BATCH
Prints the seconds of the second run and the peak MB of the GPU."""
import sys
import time

import torch
from monai.inferers import sliding_window_inference
from monai.networks.nets import UNet

size, overlap, batch = [int(v) for v in sys.argv[1].split(",")], float(sys.argv[2]), int(sys.argv[3])
torch.backends.cudnn.benchmark = True
net = UNet(3, 1, 2, (16, 32, 64, 128, 256), (2, 2, 2, 2), num_res_units=2).eval().to("cuda", memory_format=torch.channels_last_3d)
x = torch.rand(1, 1, *size)
for _ in range(2):
    begun = time.perf_counter()
    with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
        y = sliding_window_inference(x, (160, 160, 64), batch, net, overlap=overlap, mode="gaussian", sw_device="cuda", device="cuda")
        mask = y.argmax(1).byte().cpu()
    seconds = time.perf_counter() - begun
print(f"{seconds:.3f} {torch.cuda.max_memory_allocated() / 2**20:.0f}")
