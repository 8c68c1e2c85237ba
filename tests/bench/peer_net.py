"""The peers' networks that tests/bench/net.c times, channels_last_3d: peer_net.py infer|train D,H,W REPEATS [NET [PRECISION [DEVICE [compile] [BATCH]]]] -> best
seconds, peak MB (of a GPU: its), processor seconds. fp32; tf32; bf16: all of it in bf16; autocast: weights in fp32, what torch thinks right in bf16. DEVICE: cpu, cuda
(cudnn.benchmark on); compile: by torch.compile."""
import resource
import sys
import time

import torch
from monai.losses import DiceCELoss
from monai.networks.nets import UNETR, AttentionUnet, BasicUNet, DynUNet, SegResNet, SegResNetDS, SwinUNETR, UNet, VNet

mode, size, repeats = sys.argv[1], [int(v) for v in sys.argv[2].split(",")], int(sys.argv[3])
name = sys.argv[4] if len(sys.argv) > 4 else "unet"
precision = sys.argv[5] if len(sys.argv) > 5 else "fp32"
device = sys.argv[6] if len(sys.argv) > 6 else "cpu"
batch = next((int(w) for w in sys.argv[7:] if w.isdigit()), 1)
torch.backends.cudnn.benchmark = True
torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"


def nnunet(residual):
    from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet

    nn = torch.nn
    kind, convs, up = (ResidualEncoderUNet, (1, 3, 4, 6, 6, 6), 1) if residual else (PlainConvUNet, 2, 2)
    return kind(1, 6, (32, 64, 128, 256, 320, 320), nn.Conv3d, 3, (1, 2, 2, 2, 2, 2), convs, 2, up, True, nn.InstanceNorm3d, dict(eps=1e-5, affine=True), None, None,
                nn.LeakyReLU, dict(inplace=True), deep_supervision=mode == "train")


NETS = {
    "basic-unet": lambda: BasicUNet(3, 1, 2),
    "segresnet-ds": lambda: SegResNetDS(3, 32, 1, 2, blocks_down=(1, 2, 2, 4, 4), norm="INSTANCE", dsdepth=4),
    "unetr": lambda: UNETR(1, 2, size),
    "vnet": lambda: VNet(3, 1, 2),
    "unet": lambda: UNet(3, 1, 2, (16, 32, 64, 128, 256), (2, 2, 2, 2), num_res_units=2),
    "nnunet": lambda: nnunet(False),
    "resenc": lambda: nnunet(True),
    "dynunet": lambda: DynUNet(3, 1, 2, [3] * 6, [1, 2, 2, 2, 2, 2], [2] * 5),
    "segresnet": lambda: SegResNet(3, 16, 1, 2, blocks_down=(1, 2, 2, 4), blocks_up=(1, 1, 1)),
    "swinunetr": lambda: SwinUNETR(1, 2, feature_size=48, use_flash_attention=mode == "infer"),
    "attention-unet": lambda: AttentionUnet(3, 1, 2, (16, 32, 64, 128, 256), (2, 2, 2, 2)),
}
torch.manual_seed(0)
net = NETS[name]().to(device, memory_format=torch.channels_last_3d)
x = torch.rand(batch, 1, *size).to(device, memory_format=torch.channels_last_3d)
y = (torch.rand(batch, 1, *size) < 0.1).float().to(device)
loss = DiceCELoss(to_onehot_y=True, softmax=True)
if precision == "bf16":
    net, x = net.bfloat16(), x.bfloat16()
optimizer = torch.optim.AdamW(net.parameters(), 3e-4)


def cast():
    return torch.autocast(device, torch.bfloat16, enabled=precision == "autocast")


def infer():
    with torch.inference_mode(), cast():
        net(x)


def train():
    optimizer.zero_grad()
    with cast():
        out = net(x)
    if isinstance(out, list):  # deep supervision as nnU-Net's
        total = sum(loss(o.float(), torch.nn.functional.interpolate(y, o.shape[2:], mode="nearest-exact")) / 2**i for i, o in enumerate(out[:-1]))
    else:
        total = loss(out.float(), y)
    total.backward()
    optimizer.step()


run = {"infer": infer, "train": train}[mode]
net.train(mode == "train")
if "compile" in sys.argv[7:]:
    net = torch.compile(net)


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


for _ in range(3 if device == "cuda" else 1):
    run()
wait()
best = busy = float("inf")
for _ in range(repeats):
    begun, used = time.perf_counter(), time.process_time()
    run()
    wait()
    best, busy = min(best, time.perf_counter() - begun), min(busy, time.process_time() - used)
peak = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{best:.4f} {peak:.1f} {busy:.4f}")
