#!/usr/bin/env python3
"""Golden files of tests/unit/net.c: small networks of every architecture. Run by hand with a Python that has monai, torch, safetensors and
dynamic_network_architectures:
    python tests/golden/make_arch.py tests/golden [NAME...]
Each arch-NAME.ts is a stream of two frames as make_unet.py's: the model, and what PyTorch makes of it: input, label, logits (eval), logits_train,
after.NAME (buffers after that), loss.dicece_squared (deep supervision: the weighted sum), grad.NAME, steps. With dropout: input, label, logits alone.
Networks of two dimensions (flat-...) have theirs with one more axis, of 1, where the slices lie."""
import json
import os
import sys

import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from dynamic_network_architectures.building_blocks.residual import BasicBlockD
from monai.losses import DeepSupervisionLoss
from monai.networks.nets import AttentionUnet, BasicUNet, DynUNet, SegResNet, SegResNetDS, UNet
from safetensors.numpy import save

from make_unet import LOSSES

TARGETS = dict(UNet=UNet, BasicUNet=BasicUNet, PlainConvUNet=PlainConvUNet, ResidualEncoderUNet=ResidualEncoderUNet, DynUNet=DynUNet, SegResNet=SegResNet, SegResNetDS=SegResNetDS,
               AttentionUnet=AttentionUnet)
CLASSES = {"torch.nn.modules.conv.Conv2d": torch.nn.Conv2d, "torch.nn.modules.instancenorm.InstanceNorm2d": torch.nn.InstanceNorm2d,
           "torch.nn.modules.conv.Conv3d": torch.nn.Conv3d, "torch.nn.modules.instancenorm.InstanceNorm3d": torch.nn.InstanceNorm3d,
           "torch.nn.modules.batchnorm.BatchNorm3d": torch.nn.BatchNorm3d, "torch.nn.LeakyReLU": torch.nn.LeakyReLU, "torch.nn.ReLU": torch.nn.ReLU,
           "torch.nn.GELU": torch.nn.GELU, "dynamic_network_architectures.building_blocks.residual.BasicBlockD": BasicBlockD}
UNET = dict(spatial_dims=3, in_channels=1, out_channels=2, channels=[3, 4, 6], strides=[2, 2], num_res_units=1)
NNUNET = dict(input_channels=1, n_stages=4, features_per_stage=[3, 4, 5, 5], conv_op="torch.nn.modules.conv.Conv3d",
              kernel_sizes=[[1, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]], strides=[[1, 1, 1], [1, 2, 2], [2, 2, 2], [1, 2, 1]], n_conv_per_stage_decoder=[1, 2, 1],
              conv_bias=True, norm_op="torch.nn.modules.instancenorm.InstanceNorm3d", norm_op_kwargs={"eps": 1e-5, "affine": True}, dropout_op=None,
              dropout_op_kwargs=None, nonlin="torch.nn.LeakyReLU", nonlin_kwargs={"inplace": True}, num_classes=3, deep_supervision=False)
PLAIN = dict(NNUNET, n_conv_per_stage=[2, 1, 2, 2])
RESENC = dict(NNUNET, n_blocks_per_stage=[1, 2, 1, 1], kernel_sizes=[[1, 3, 3], [3, 3, 3], [3, 3, 1], [3, 1, 3]], features_per_stage=[3, 4, 4, 5])
DYNUNET = dict(spatial_dims=3, in_channels=1, out_channels=2, kernel_size=[3, [1, 3, 3], 3, 3], strides=[1, [1, 2, 2], 2, 2],
               upsample_kernel_size=[[1, 2, 2], 2, 2], filters=[3, 4, 4, 5])
FLAT = dict(spatial_dims=2)
FLAT_NNUNET = dict(conv_op="torch.nn.modules.conv.Conv2d", norm_op="torch.nn.modules.instancenorm.InstanceNorm2d",
                   kernel_sizes=[[1, 3], 3, 3, [3, 1]], strides=[1, [1, 2], 2, [2, 1]])
NO_DROP = ["dropout", {"p": 0.0, "inplace": False}]
SIZE, NNUNET_SIZE, DYNUNET_SIZE, BASIC_SIZE = (8, 12, 8), (6, 8, 12), (4, 8, 16), (16, 16, 16)
CASES = {  # name: (target, options, batch, size)
    "unet-batch": ("UNet", dict(UNET, norm="BATCH", act="RELU"), 2, SIZE),
    "unet-group": ("UNet", dict(UNET, channels=[2, 4, 6], norm=["GROUP", {"num_groups": 2, "eps": 1e-4}], act="GELU", num_res_units=2), 1, SIZE),
    "unet-swish": ("UNet", dict(UNET, norm=["BATCH", {"momentum": 0.3, "affine": False, "track_running_stats": False}], act="SWISH", adn_ordering="AN"), 2, SIZE),
    "unet-mish": ("UNet", dict(UNET, norm=None, act="MISH", num_res_units=0), 1, SIZE),
    "unet-elu": ("UNet", dict(UNET, act=["ELU", {"alpha": 0.7}], num_res_units=2, adn_ordering="NAD"), 1, SIZE),
    "unet-tanh": ("UNet", dict(UNET, norm=["INSTANCE", {"affine": True}], act="TANH", bias=False), 1, SIZE),
    "unet-sigmoid": ("UNet", dict(UNET, act="SIGMOID", adn_ordering="NA"), 1, SIZE),
    "unet-drop": ("UNet", dict(UNET, dropout=0.2, norm="BATCH", num_res_units=2), 1, SIZE),
    "plain": ("PlainConvUNet", PLAIN, 2, NNUNET_SIZE),
    "plain-deep": ("PlainConvUNet", dict(PLAIN, deep_supervision=True, conv_bias=False, norm_op="torch.nn.modules.batchnorm.BatchNorm3d"), 2, NNUNET_SIZE),
    "plain-first": ("PlainConvUNet", dict(PLAIN, nonlin_first=True, nonlin="torch.nn.GELU", nonlin_kwargs=None, norm_op_kwargs={}, kernel_sizes=3,
                                          strides=[1, 2, 2, 1], features_per_stage=3, n_conv_per_stage=1, n_conv_per_stage_decoder=1), 1, SIZE),
    "resenc": ("ResidualEncoderUNet", RESENC, 2, NNUNET_SIZE),
    "resenc-deep": ("ResidualEncoderUNet", dict(RESENC, deep_supervision=True, nonlin="torch.nn.ReLU", nonlin_kwargs=None, stem_channels=4, conv_bias=False,
                                                block="dynamic_network_architectures.building_blocks.residual.BasicBlockD"), 1, NNUNET_SIZE),
    "dynunet": ("DynUNet", DYNUNET, 2, DYNUNET_SIZE),
    "dynunet-deep": ("DynUNet", dict(DYNUNET, res_block=True, deep_supervision=True, deep_supr_num=2, trans_bias=True, norm_name=["GROUP", {"num_groups": 1}],
                                     act_name="PRELU"), 2, DYNUNET_SIZE),
    "dynunet-res": ("DynUNet", dict(DYNUNET, res_block=True, filters=[4, 4, 4, 6], dropout=0.1), 1, DYNUNET_SIZE),
    "segresnet": ("SegResNet", dict(init_filters=2, norm=["GROUP", {"num_groups": 2}], act="PRELU", blocks_down=[1, 2, 1], blocks_up=[1, 1]), 2, SIZE),
    "segresnet-deconv": ("SegResNet", dict(spatial_dims=3, init_filters=4, in_channels=2, out_channels=3, norm="INSTANCE", act="LEAKYRELU", blocks_down=[2, 1],
                                           blocks_up=[2], upsample_mode="deconv"), 1, SIZE),
    "segresnet-drop": ("SegResNet", dict(init_filters=8, blocks_down=[1, 1], blocks_up=[1], dropout_prob=0.3), 1, SIZE),
    "attention": ("AttentionUnet", dict(spatial_dims=3, in_channels=1, out_channels=2, channels=[4, 4, 6], strides=[2, [1, 2, 2]]), 2, SIZE),
    "unet-relu6": ("UNet", dict(UNET, norm=["batch", {"eps": 1e-3, "momentum": 0.2}], act=["relu6", {"inplace": True}], adn_ordering="nda", kernel_size=[1, 3, 5]), 2, SIZE),
    "unet-selu": ("UNet", dict(UNET, norm="INSTANCE_NVFUSER", act="SELU", strides=[2, 2, 2], dropout=NO_DROP), 1, SIZE),
    "unet-celu": ("UNet", dict(UNET, norm=["instance", {"affine": True, "track_running_stats": True, "momentum": 0.3}], act=["CELU", {"alpha": 0.6}]), 2, SIZE),
    "unet-gelutanh": ("UNet", dict(UNET, norm="", act=["GELU", {"approximate": "tanh"}], num_res_units=2, up_kernel_size=5), 1, SIZE),
    "unet-swishalpha": ("UNet", dict(UNET, act=["SWISH", {"alpha": 1.7}], num_res_units=2, adn_ordering="A"), 1, SIZE),
    "unet-prelus": ("UNet", dict(UNET, channels=[4, 4, 4], num_res_units=0, act=["PRELU", {"init": 0.2, "num_parameters": 4}], norm=["GROUP", {"num_groups": 4}]), 1, SIZE),
    "dynunet-celu": ("DynUNet", dict(DYNUNET, norm_name=["batch", {"eps": 1e-4}], act_name=["celu", {"alpha": 1.3}], res_block=True), 2, DYNUNET_SIZE),
    "segresnet-old": ("SegResNet", dict(init_filters=4, norm_name="group", num_groups=2, act="SELU", blocks_down=[1, 1], blocks_up=[1]), 1, SIZE),
    "unet-softmax": ("UNet", dict(UNET, act="SOFTMAX", num_res_units=2), 2, SIZE),
    "unet-local": ("UNet", dict(UNET, norm=["LOCALRESPONSE", {"size": 3, "alpha": 0.7, "beta": 0.6, "k": 1.5}], act=["LOGSOFTMAX", {"dim": 1}]), 2, SIZE),
    "dynunet-local": ("DynUNet", dict(DYNUNET, norm_name=["localresponse", {"size": 4, "alpha": 1}], act_name="logsoftmax", res_block=True), 1, DYNUNET_SIZE),
    "segresnet-local": ("SegResNet", dict(init_filters=4, norm=["LOCALRESPONSE", {"size": 5}], act=["softmax", {"dim": None}], blocks_down=[1, 1], blocks_up=[1]), 1, SIZE),
    "unet-alpha": ("UNet", dict(UNET, act="SELU", dropout=["ALPHADROPOUT", {"p": 0.2}]), 1, SIZE),
    "segresnet-one": ("SegResNet", dict(init_filters=2, norm="INSTANCE", blocks_down=[1], blocks_up=[]), 1, (3, 4, 5)),
    "segresnet-bare": ("SegResNet", dict(init_filters=4, in_channels=2, out_channels=3, norm="INSTANCE", act="LEAKYRELU", blocks_down=[1, 2], blocks_up=[1],
                                         use_conv_final=False), 2, SIZE),
    "segresnetds": ("SegResNetDS", dict(init_filters=2, act="LEAKYRELU", norm="INSTANCE", blocks_down=[1, 2, 1], dsdepth=3), 1, SIZE),
    "segresnetds-aniso": ("SegResNetDS", dict(spatial_dims=3, init_filters=2, in_channels=2, out_channels=3, act="PRELU", norm=["GROUP", {"num_groups": 1}],
                                              blocks_down=[1, 1, 2], blocks_up=[2, 1], dsdepth=2, resolution=[5.0, 1.2, 0.9], upsample_mode="nontrainable"), 2,
                          (4, 8, 12)),
    "segresnetds-flat": ("SegResNetDS", dict(init_filters=3, norm="BATCH", blocks_down=[2], dsdepth=4, preprocess=None), 2, (4, 5, 6)),
    "basicunet": ("BasicUNet", dict(features=[2, 3, 4, 4, 6, 3], norm=["GROUP", {"num_groups": 1}]), 1, BASIC_SIZE),
    "basicunet-none": ("BasicUNet", dict(spatial_dims=3, in_channels=2, features=[2, 4, 2, 4, 5, 2], act="MISH", norm=None, bias=False, upsample="deconv"), 1,
                       BASIC_SIZE),
    "basicunet-drop": ("BasicUNet", dict(features=[2, 2, 3, 2, 4, 4], act="PRELU", dropout=0.2), 1, (16, 16, 32)),
    "basicunet-odd": ("BasicUNet", dict(features=[2, 3, 4, 4, 6, 3], norm=["GROUP", {"num_groups": 1}]), 1, (18, 17, 19)),
    "flat-unet": ("UNet", dict(UNET, **FLAT, strides=[2, [2, 1]], num_res_units=2, kernel_size=[3, 5], norm="BATCH"), 3, (12, 8)),
    "flat-unet-y": ("UNet", dict(UNET, **FLAT, strides=[2, [2, 1]], kernel_size=[3, 5], slice_axis="y"), 2, (12, 8)),
    "flat-unet-x": ("UNet", dict(UNET, **FLAT, num_res_units=0, norm=["GROUP", {"num_groups": 1}], slice_axis="x"), 2, (12, 8)),
    "flat-basicunet-odd": ("BasicUNet", dict(FLAT, features=[2, 3, 4, 4, 6, 3], norm=["GROUP", {"num_groups": 1}]), 2, (49, 34)),
    "flat-plain-deep": ("PlainConvUNet", dict(PLAIN, **FLAT_NNUNET, deep_supervision=True), 3, (16, 24)),
    "flat-resenc-y": ("ResidualEncoderUNet", dict(RESENC, **FLAT_NNUNET, slice_axis="y"), 2, (16, 24)),
    "flat-dynunet-deep": ("DynUNet", dict(DYNUNET, **FLAT, kernel_size=[3, [1, 3], 3, 3], strides=[1, [1, 2], 2, 2], upsample_kernel_size=[[1, 2], 2, 2],
                                          res_block=True, deep_supervision=True, deep_supr_num=2), 2, (12, 16)),
    "flat-segresnet": ("SegResNet", dict(FLAT, init_filters=4, norm=["GROUP", {"num_groups": 2}], blocks_down=[1, 2, 1], blocks_up=[1, 1]), 2, (12, 8)),
    "flat-segresnetds": ("SegResNetDS", dict(FLAT, init_filters=2, norm=["GROUP", {"num_groups": 1}], blocks_down=[1, 1, 2], dsdepth=2, resolution=[3.0, 0.9],
                                             upsample_mode="nontrainable"), 2, (8, 16)),
    "flat-attention": ("AttentionUnet", dict(FLAT, in_channels=1, out_channels=2, channels=[4, 4, 6], strides=[2, [1, 2]]), 2, (12, 8)),
}
TWICE = ("all_modules.", "decoder.encoder.", "skip_layers.")  # the same tensors under other names


def bare(options):
    return not options.get("use_conv_final", True)


def slices(options):
    """Of two dimensions: the axis of z,y,x that its arrays do not have; None"""
    flat = options.get("spatial_dims") == 2 or options.get("conv_op", "").endswith("Conv2d")
    return "zyx".index(options.get("slice_axis", "z")) if flat else None


def build(target, options):
    o = {k: CLASSES.get(v, v) if isinstance(v, str) else v for k, v in options.items() if k != "slice_axis"}
    return TARGETS[target](**{k: tuple(v) if k in ("norm", "act", "norm_name", "act_name") and isinstance(v, list) else v for k, v in o.items()})


def outputs(net, target, options, x):
    """Logits of every resolution that counts, with the weights of their losses"""
    out = net(x)
    if target == "SegResNetDS" and isinstance(out, list):
        return out, DeepSupervisionLoss(None).get_weights(len(out))
    if not options.get("deep_supervision"):
        return [out], [1.0]
    if target == "DynUNet":
        return [out[:, 0], *net.heads], [1.0, 0.5, 0.25][: 1 + len(net.heads)]
    weights = np.array([1 / 2**i for i in range(len(out))])
    weights[-1] = 0
    return out, list(weights / weights.sum())


def loss_of(net, target, options, x, label):
    outs, weights = outputs(net, target, options, x)
    loss = LOSSES["dicece_squared"]()
    down = [torch.nn.functional.interpolate(label.float(), o.shape[2:], mode="nearest-exact").long() for o in outs]
    return outs[0], sum(w * loss(o, y) for w, o, y in zip(weights, outs, down) if w > 0)


def arrays(state):
    return {k: v.detach().numpy().copy() for k, v in state.items() if not k.startswith("act_mod.") and not any(t in k for t in TWICE)}


def make(name, seed):
    target, options, batch, size = CASES[name]
    torch.manual_seed(seed)
    net = build(target, options)
    for k, v in net.state_dict().items():  # nothing at its beginning's 0 or 1
        if v.is_floating_point() and v.ndim == 1:
            v.uniform_(0.5, 1.5) if k.endswith(("weight", "var")) else v.uniform_(-0.3, 0.3)
    x = torch.randn(batch, options.get("in_channels", options.get("input_channels", 1)), *size)
    classes = options["init_filters"] if bare(options) else options.get("out_channels", options.get("num_classes", 2))
    label = (torch.rand(batch, 1, *size) ** 2 * classes).long()
    weights = arrays({k: v for k, v in net.state_dict().items() if not (bare(options) and k.startswith("conv_final."))})  # there, but not used
    net.eval()
    out = net(x)
    out = out[0] if isinstance(out, list) else out
    t = {"input": x.numpy(), "label": label[:, 0].numpy().astype(np.uint8), "logits": out.detach().numpy()}
    if options.get("dropout", NO_DROP) == NO_DROP and not options.get("dropout_prob"):
        t.update(train(net.train(), target, options, x, label))
    for k in ("input", "logits", "logits_train", "label") if slices(options) is not None else ():
        if k in t:
            t[k] = np.ascontiguousarray(np.expand_dims(t[k], slices(options) + (1 if k == "label" else 2)))
    meta = {"niipipe": "1", "id": "golden"}
    arch = json.dumps(dict({"_target_": target}, **options))
    return save(weights, dict(meta, kind="model", arch=arch, replay="[]")) + save(t, dict(meta, kind="patch"))


def train(net, target, options, x, label):
    state = {k: v.clone() for k, v in net.state_dict().items()}
    out, loss = loss_of(net, target, options, x, label)
    t = {"logits_train": np.ascontiguousarray(out.detach().numpy()), "loss.dicece_squared": np.array([loss.item()])}
    t.update({"after." + k: v for k, v in arrays(dict(net.named_buffers())).items()})
    loss.backward()
    t.update({"grad." + k.replace("act_mod", "conv_final.1"): p.grad.numpy().copy() for k, p in net.named_parameters() if p.grad is not None})
    net.load_state_dict(state)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=1e-2)
    steps = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = loss_of(net, target, options, x, label)[1]
        loss.backward()
        optimizer.step()
        steps.append(loss.item())
    t["steps"] = np.array(steps)
    return t


if __name__ == "__main__":
    torch.set_num_threads(1)
    for i, name in enumerate(CASES):
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        path = os.path.join(sys.argv[1], f"arch-{name}.ts")
        data = make(name, i)
        with open(path, "wb") as f:
            f.write(data)
        print(path, len(data))
