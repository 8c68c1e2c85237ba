#!/usr/bin/env python3
"""Golden files of tests/seg-import.bats and tests/unit/import.c: the weights of tests/golden/unet-NAME.ts as PyTorch programs keep them, and the seeds of
tests/fuzz/torch.c. Run by hand, after make_unet.py, with a Python that has monai, torch, safetensors, numpy:
    python tests/golden/make_import.py tests/golden
Every file import/NAME.EXT holds the weights of unet-plain.ts, but for xyz.pt: those of unet-aniso.ts as MONAI has them on x,y,z arrays."""
import json
import os
import sys
from collections import OrderedDict

import numpy as np
import torch
from monai.networks.nets import UNet
from safetensors.torch import load, save_file

OUT = sys.argv[1]


def golden(name):
    """arch, state_dict, the other frame's tensors"""
    data = open(os.path.join(OUT, f"unet-{name}.ts"), "rb").read()
    n = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + n])
    end = 8 + n + max(v["data_offsets"][1] for k, v in header.items() if k != "__metadata__")
    return json.loads(header["__metadata__"]["arch"]), OrderedDict(load(data[:end])), load(data[end:])


def put(name, obj, folder="golden/import", **how):
    path = os.path.join(OUT, "..", folder, name)
    torch.save(obj, path, **how)
    print(path, os.path.getsize(path))


def prefixed(state, prefix):
    return OrderedDict((prefix + k, v) for k, v in state.items())


def network(arch, state):
    net = UNet(**{k: v for k, v in arch.items() if k != "_target_"})
    net.load_state_dict(state)
    return net


def strided(state):
    """Views of one storage, each with its axes in another order in memory."""
    total = sum(v.numel() for v in state.values()) + 7
    block, at, out = torch.full((total,), 99.0), 7, OrderedDict()
    for k, v in state.items():
        turned = block[at:at + v.numel()].view(*reversed(v.shape)).permute(*reversed(range(v.dim())))
        turned.copy_(v)
        out[k] = turned
        at += v.numel()
    return out


def nnunet(state):
    """nnUNetTrainer.save_checkpoint's dict."""
    logging = {"mean_fg_dice": [np.float64(0.5), np.float32(0.25)], "epoch_start_timestamps": [1.5], "dice_per_class_or_region": [np.arange(3.0)]}
    return {"network_weights": state, "optimizer_state": {"state": {}, "param_groups": [{"lr": 0.01, "params": [0, 1]}]}, "grad_scaler_state": None,
            "logging": logging, "_best_ema": np.float64(0.75), "current_epoch": 1000, "init_args": {"configuration": "3d_fullres", "fold": "all",
            "device": torch.device("cuda")}, "trainer_name": "nnUNetTrainer", "inference_allowed_mirroring_axes": (0, 1, 2)}


def training(arch, state):
    """What MONAI's research code saves from DataParallel."""
    net = network(arch, state)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.zeros(1, 1, 16, 12, 8)).sum().backward()
    few = [p for p in net.parameters() if p.numel() < 20]
    optimizer = torch.optim.AdamW(few)
    optimizer.step()
    return {"epoch": 3, "best_acc": 0.5, "state_dict": prefixed(state, "module."), "optimizer": optimizer.state_dict()}


def xyz():
    arch, state, io = golden("aniso")
    arch = dict(arch, strides=[s[::-1] if isinstance(s, list) else s for s in arch["strides"]])
    turned = OrderedDict((k, v.permute(0, 1, 4, 3, 2).contiguous() if v.dim() == 5 else v) for k, v in state.items())
    net = network(arch, turned)
    out = net(io["input"].permute(0, 1, 4, 3, 2)).permute(0, 1, 4, 3, 2)
    assert (out - io["logits"]).abs().max() < 1e-4
    put("xyz.pt", turned)
    with open(os.path.join(OUT, "import/xyz.json"), "w") as f:
        json.dump({"imports": ["$import torch"], "network_def": dict(arch, _target_="monai.networks.nets.UNet"), "network": "$@network_def.to('cuda')"}, f, indent=1)


def odd():
    """Everything that is read past."""
    p = torch.nn.Parameter(torch.ones(2))
    p.note = "attribute"
    return {"state_dict": OrderedDict(a=torch.arange(6.0).view(2, 3).t(), b=p), "c": {1, 2}, "d": 1j, "e": [np.float64(3), np.arange(2)], "f": torch.float32,
            "g": torch.Size([1, 2]), "h": 1 << 70, "i": b"ab", "j": -3, "k": (None, True, 2.5), "l": bytearray(b"x"), "m": frozenset([1]), "n": -(1 << 40),
            "o": torch.zeros(2, dtype=torch.bfloat16), "p": torch.ones(3, dtype=torch.int64), "q": 300, "r": torch.device("cpu")}


if __name__ == "__main__":
    torch.manual_seed(0)
    for folder in ("golden/import", "fuzz/torch"):
        os.makedirs(os.path.join(OUT, "..", folder), exist_ok=True)
    arch, state, _ = golden("plain")
    put("zip.pt", state)
    put("legacy.pt", state, _use_new_zipfile_serialization=False)
    put("half.pth", OrderedDict((k, v.half()) for k, v in state.items()))
    put("bfloat.bin", OrderedDict((k, v.bfloat16()) for k, v in state.items()))
    put("double.pt", OrderedDict((k, v.double()) for k, v in state.items()))
    put("strided.pt", strided(state))
    put("parameters.pt", OrderedDict(network(arch, state).named_parameters()))
    put("training.pth", training(arch, state))
    put("lightning.ckpt", {"epoch": 1, "pytorch-lightning_version": "2.4.0", "hyper_parameters": {"lr": 1e-3}, "state_dict": prefixed(state, "_model._orig_mod.")})
    put("nnunet.pth", nnunet(state))
    put("ema.pt", {"raw": prefixed(state, "net."), "steps": 10, "both": {**prefixed(state, "net."), **prefixed(state, "avg.")}})
    put("old.pt", OrderedDict((k.replace(".adn.A.", ".act."), v) for k, v in state.items()))
    put("misfit.pt", OrderedDict([(k, v) for k, v in state.items() if not k.endswith("2.conv.bias")] +
                                 [("model.0.conv.weight", state["model.0.conv.weight"][:, :, 0]), ("head.weight", torch.zeros(2, 3, dtype=torch.int64))]))
    save_file(state, os.path.join(OUT, "import/plain.safetensors"), metadata={"format": "pt"})
    xyz()
    small = OrderedDict(a=torch.ones(2, 3), b=torch.zeros(2))
    for protocol in range(1, 6):
        put(f"protocol{protocol}.pt", {**odd(), "state_dict": small}, pickle_protocol=protocol)
    put("zip", odd(), "fuzz/torch")
    put("legacy", odd(), "fuzz/torch", _use_new_zipfile_serialization=False)
    put("protocol5", odd(), "fuzz/torch", pickle_protocol=5)
    put("small", small, "fuzz/torch")
