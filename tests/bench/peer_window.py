"""Peer of tests/bench/window.sh: MONAI's whole inference (load, normalise, sliding window, largest component, save) as one process.
    python peer_window.py CT OVERLAP SW_BATCH plain|channels_last [NET [PRECISION]]
bf16 is torch's autocast. Prints the seconds of the window part."""
import sys
import tempfile
import time

import torch
from monai.inferers import sliding_window_inference
from monai.networks.nets import SwinUNETR, UNet
from monai.transforms import Compose, EnsureChannelFirst, KeepLargestConnectedComponent, LoadImage, SaveImage, ScaleIntensityRange

ct, overlap, batch, layout = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
name, precision = (sys.argv[5:] + ["unet", "fp32"][len(sys.argv) - 5 :])[:2]
torch.manual_seed(0)
if name == "unet":
    roi, net = (160, 160, 64), UNet(3, 1, 2, (16, 32, 64, 128, 256), (2, 2, 2, 2), num_res_units=2).eval()
else:  # swinunetr-FEATURES
    roi, net = (96, 96, 96), SwinUNETR(1, 2, feature_size=int(name.split("-")[1]), use_flash_attention=True).eval()
if layout == "channels_last":
    net = net.to(memory_format=torch.channels_last_3d)
x = Compose([LoadImage(), EnsureChannelFirst(), ScaleIntensityRange(-1024, 325, 0, 1, True)])(ct)
t1 = time.perf_counter()
with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
    y = sliding_window_inference(x[None], roi, batch, net, overlap=overlap, mode="gaussian")
t2 = time.perf_counter()
m = KeepLargestConnectedComponent()(y[0].softmax(0).argmax(0, keepdim=True))
SaveImage(tempfile.mkdtemp(), output_postfix="p", print_log=False)(m)
print("%.2f" % (t2 - t1))
