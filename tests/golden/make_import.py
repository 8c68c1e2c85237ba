#!/usr/bin/env python3
"""Golden files of tests/seg-import.bats and tests/unit/import.c: the weights of tests/golden/unet-NAME.ts as PyTorch programs keep them, and the seeds of
tests/fuzz/torch.c. Run by hand, after make_unet.py, with a Python that has monai, torch, safetensors, numpy:
    python tests/golden/make_import.py tests/golden
Every file import/NAME.EXT holds the weights of unet-plain.ts, but for xyz.pt: those of unet-aniso.ts as MONAI has them on x,y,z arrays; and plans.pth:
those of nnU-Net's PlainConvUNet as plans.json asks for it, on transposed arrays, which import-plans.ts has as ours, with logits. (dynamic_network_architectures too.)"""
import json
import os
import sys
from collections import OrderedDict

import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from frame import frame
from monai.networks.nets import UNet
from safetensors.torch import load, save_file

OUT = sys.argv[1]


def golden(name):
    """arch, state_dict, the other frame's tensors"""
    data = open(os.path.join(OUT, f"unet-{name}.ts"), "rb").read()
    n = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + n])
    end = 8 + n + max(v["data_offsets"][1] for k, v in header.items() if k != "__metadata__")
    return json.loads(header["__metadata__"]["arch"]), OrderedDict(sorted(load(data[:end]).items())), load(data[end:])


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


def plans():
    """transpose_forward: axes of nnU-Net's arrays are x,z,y of ours."""
    forward = [2, 0, 1]
    backward = [forward.index(k) for k in range(3)]
    names = {"conv_op": "torch.nn.modules.conv.Conv3d", "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d", "dropout_op": None,
             "nonlin": "torch.nn.LeakyReLU"}
    classes = {"conv_op": torch.nn.Conv3d, "norm_op": torch.nn.InstanceNorm3d, "dropout_op": None, "nonlin": torch.nn.LeakyReLU}
    sizes = {"n_stages": 3, "features_per_stage": [4, 8, 10], "kernel_sizes": [[3, 1, 3], [3, 3, 3], [3, 3, 3]],
             "strides": [[1, 1, 1], [2, 1, 2], [2, 2, 2]], "n_conv_per_stage": [2, 1, 1], "n_conv_per_stage_decoder": [1, 1]}
    more = {"conv_bias": True, "norm_op_kwargs": {"eps": 1e-05, "affine": True}, "dropout_op_kwargs": None, "nonlin_kwargs": {"inplace": True}}
    resample = {"resampling_fn_data": "resample_data_or_seg_to_shape",
                "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}}
    full = {"batch_size": 2, "patch_size": [16, 8, 24], "spacing": [0.8, 2.5, 0.7], "normalization_schemes": ["CTNormalization"], "use_mask_for_norm": [False],
            "architecture": {"network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet", "arch_kwargs": {**sizes, **names, **more},
                             "_kw_requires_import": list(names)}, **resample}
    old = {k: v for k, v in full.items() if k != "architecture"}
    old.update(UNet_class_name="PlainConvUNet", UNet_base_num_features=4, unet_max_num_features=10, n_conv_per_stage_encoder=sizes["n_conv_per_stage"],
               n_conv_per_stage_decoder=sizes["n_conv_per_stage_decoder"], num_pool_per_axis=[2, 1, 2], pool_op_kernel_sizes=sizes["strides"],
               conv_kernel_sizes=sizes["kernel_sizes"])
    channel = {"max": 900.0, "mean": -158.58, "median": -100.0, "min": -1100.0, "percentile_00_5": -1024.0, "percentile_99_5": 325.0, "std": 324.7}
    root = {"dataset_name": "Dataset006_Lung", "plans_name": "nnUNetPlans", "transpose_forward": forward, "transpose_backward": backward,
            "configurations": {"2d": {"patch_size": [256, 256], "spacing": [0.8, 0.8]}, "3d_fullres": full, "3d_child": {"inherits_from": "3d_fullres", "batch_size": 4},
                               "3d_old": old, "3d_cascade": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"},
                               "3d_masked": {"inherits_from": "3d_fullres", "use_mask_for_norm": [True]},
                               "3d_own": {"inherits_from": "3d_fullres", "normalization_schemes": ["OwnNormalization"]},
                               "3d_zscore": {"inherits_from": "3d_fullres", "normalization_schemes": ["ZScoreNormalization"]},
                               "3d_torch": {"inherits_from": "3d_fullres", "resampling_fn_data": "resample_torch_fornnunet"},
                               "3d_loop": {"inherits_from": "3d_loop"}},
            "foreground_intensity_properties_per_channel": {"0": channel}}
    with open(os.path.join(OUT, "import/plans.json"), "w") as f:
        json.dump(root, f, indent=1)
    build = {**classes, **more, "input_channels": 1, "num_classes": 2}
    theirs = PlainConvUNet(**{**sizes, **build}).eval()
    ours = PlainConvUNet(**{**sizes, **build, **{k: [[t[b] for b in backward] for t in sizes[k]] for k in ("kernel_sizes", "strides")}}).eval()
    state = theirs.state_dict()
    for k, v in state.items():
        if k.endswith((".norm.weight", ".norm.bias")):
            v.uniform_(0.5, 1.5)
    turned = OrderedDict((k, v.permute(0, 1, *[2 + b for b in backward]).contiguous() if v.dim() == 5 else v) for k, v in state.items())
    ours.load_state_dict(turned)
    x = torch.randn(1, 1, 8, 24, 16)
    with torch.no_grad():
        want = ours(x)
        got = theirs(x.permute(0, 1, *[2 + f for f in forward])).permute(0, 1, *[2 + b for b in backward])
    assert (got - want).abs().max() < 1e-4
    put("plans.pth", nnunet(state))
    kept = {k: v.numpy() for k, v in turned.items() if ".all_modules." not in k and not k.startswith("decoder.encoder.")}
    with open(os.path.join(OUT, "import-plans.ts"), "wb") as f:
        f.write(frame(kept, niipipe=1, kind="model", id="golden", replay="[]", arch="{}"))
        f.write(frame({"image": x[0].numpy(), "prob": want[0].numpy()}, niipipe=1, kind="volume", id="golden", affine="1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"))
    print("import-plans.ts", os.path.getsize(f.name))


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
    plans()
    small = OrderedDict(a=torch.ones(2, 3), b=torch.zeros(2))
    for protocol in range(1, 6):
        put(f"protocol{protocol}.pt", {**odd(), "state_dict": small}, pickle_protocol=protocol)
    put("zip", odd(), "fuzz/torch")
    put("legacy", odd(), "fuzz/torch", _use_new_zipfile_serialization=False)
    put("protocol5", odd(), "fuzz/torch", pickle_protocol=5)
    put("small", small, "fuzz/torch")
