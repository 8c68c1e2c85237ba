"""Peer of tests/bench/slices.sh: MONAI's inference slice by slice (load, normalise, SliceInferer, largest component, save) as one process.
    python peer_slices.py CT SW_BATCH plain|channels_last fp32|bf16
bf16 is torch's autocast. Prints the seconds of the window part."""
import sys
import tempfile
import time

import torch
from monai.inferers import SliceInferer
from monai.networks.nets import UNet
from monai.transforms import Compose, EnsureChannelFirst, KeepLargestConnectedComponent, LoadImage, SaveImage, ScaleIntensityRange

ct, batch, layout, precision = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
torch.manual_seed(0)
net = UNet(2, 1, 2, (16, 32, 64, 128, 256), (2, 2, 2, 2), num_res_units=2).eval()
if layout == "channels_last":
    net = net.to(memory_format=torch.channels_last)
x = Compose([LoadImage(), EnsureChannelFirst(), ScaleIntensityRange(-1024, 325, 0, 1, True)])(ct)
t1 = time.perf_counter()
with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
    y = SliceInferer(spatial_dim=2, roi_size=(512, 512), sw_batch_size=batch)(x[None], net)
t2 = time.perf_counter()
m = KeepLargestConnectedComponent()(y[0].softmax(0).argmax(0, keepdim=True))
SaveImage(tempfile.mkdtemp(), output_postfix="p", print_log=False)(m)
print("%.2f" % (t2 - t1))
