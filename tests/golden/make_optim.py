#!/usr/bin/env python3
"""Golden files of tests/unit/loss.c and tests/seg-train.bats: losses of MONAI, torch and nnU-Net with their gradients, torch's optimizers, schedules,
and whole runs. Run by hand with a Python that has monai, torch and nnunetv2:  python tests/golden/make_optim.py tests/golden

losses.ts      a frame a case: logits [n,vox,k], truth [n,vox], grad; metadata: the options as a checkpoint has them, the value and its two terms;
               or MONAI's configuration, the value
optim.ts       a frame a case: weights before and after STEPS steps, the gradients; metadata as above
schedules.tsv  per case: the options, the rates of its steps
optim.tsv      per case: options of seg-train, the five losses of make_train.py's network and patches, Dice of its volumes with the last weights"""
import json
import os
import sys

import monai
import numpy as np
import torch
from monai.losses import DiceCELoss, DiceFocalLoss, DiceLoss, FocalLoss, GeneralizedDiceFocalLoss, GeneralizedDiceLoss, TverskyLoss
from monai.networks.nets import UNet
from monai.optimizers import WarmupCosineSchedule
from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot

import make_train
from frame import IDENTITY, frame

NAMES = "dicece dice ce bce focal dicefocal tversky gdice gdicefocal nnunet".split()
VOLUMES = ["uniform", "simple", "square"]


# -- losses -------------------------------------------------------------------------------------------------------------------------------------
def common(o, k, squared=True):
    c = dict(include_background=bool(o.get("background", 1)), smooth_nr=o.get("smooth-nr", 1e-5), smooth_dr=o.get("smooth-dr", 1e-5),
             batch=bool(o.get("batch-dice", 0)), sigmoid=k == 1, softmax=k > 1, to_onehot_y=k > 1)
    if squared:
        c.update(squared_pred=bool(o.get("squared", 1)), jaccard=bool(o.get("jaccard", 0)))
    return c


def ignored(o, none=None):
    return o.get("ignore-label", none)


def terms(name, o, k, x, y):
    """The overlap and the entropy of logits x [n,k,vox] and labels y [n,1,vox], without their factors; None: the loss has none."""
    weight = torch.tensor(o["class-weights"], dtype=x.dtype) if "class-weights" in o else None
    own = weight if o.get("background", 1) or weight is None else weight[1:]
    hot = y.to(x.dtype) if k == 1 else one_hot(y[:, 0].clamp(max=k - 1), k).movedim(-1, 1).to(x.dtype)
    focal = FocalLoss(include_background=bool(o.get("background", 1)), to_onehot_y=k > 1, gamma=o.get("gamma", 2.0), alpha=o.get("focal-alpha"), weight=own,
                      use_softmax=bool(o.get("focal-softmax", 0)), ignore_index=ignored(o))
    pos = None if weight is None else weight if k == 1 else weight[:, None]
    bce = lambda: binary_cross_entropy_with_logits(x, hot, pos_weight=pos)
    ce = lambda: bce() if k == 1 else cross_entropy(x, y[:, 0], weight=weight, label_smoothing=o.get("label-smoothing", 0.0), ignore_index=ignored(o, -100))
    if name == "ce":
        return None, ce()
    if name == "bce":
        return None, bce()
    if name == "focal":
        return None, focal(x, y)
    if name == "tversky":
        return TverskyLoss(alpha=o.get("tversky-alpha", 0.5), beta=o.get("tversky-beta", 0.5), **common(o, k, False))(x, y), None
    if name in ("gdice", "gdicefocal"):
        gd = GeneralizedDiceLoss(w_type=VOLUMES[int(o.get("volume-weight", 2))], **common(o, k, False))(x, y)
        return gd, focal(x, y) if name == "gdicefocal" else None
    if name == "nnunet":
        dc = MemoryEfficientSoftDiceLoss(lambda t: torch.softmax(t, 1), bool(o.get("batch-dice", 0)), False, o.get("smooth-nr", 1e-5), False)
        mask = y != ignored(o, 256)
        return dc(x, torch.where(mask, y, 0), loss_mask=mask), ce() if mask.any() else None
    dice = DiceLoss(weight=own, ignore_index=ignored(o), **common(o, k))(x, y)
    return dice, {"dice": lambda: None, "dicece": ce, "dicefocal": lambda: focal(x, y)}[name]()


def whole(name, o, k, x, y):
    """The peers' own class for the sum, where there is one: it must agree with the terms."""
    w = {"weight": torch.tensor(o["class-weights"], dtype=x.dtype)} if "class-weights" in o else {}
    if "ignore-label" in o and name != "nnunet" or "focal-softmax" in o:
        return None
    if name == "dicece":
        return DiceCELoss(lambda_dice=o.get("lambda-dice", 1.0), lambda_ce=o.get("lambda-ce", 1.0), label_smoothing=o.get("label-smoothing", 0.0), **w,
                          **common(o, k))(x, y)
    if name == "dicefocal" and o.get("background", 1):
        return DiceFocalLoss(lambda_dice=o.get("lambda-dice", 1.0), lambda_focal=o.get("lambda-ce", 1.0), gamma=o.get("gamma", 2.0),
                             alpha=o.get("focal-alpha"), **w, **common(o, k))(x, y)
    if name == "gdicefocal":
        return GeneralizedDiceFocalLoss(w_type=VOLUMES[int(o.get("volume-weight", 2))], gamma=o.get("gamma", 2.0), lambda_gdl=o.get("lambda-dice", 1.0),
                                        lambda_focal=o.get("lambda-ce", 1.0), **w, **common(o, k, False))(x, y)
    if name == "nnunet" and not w and "label-smoothing" not in o:
        dice = {"batch_dice": bool(o.get("batch-dice", 0)), "smooth": o.get("smooth-nr", 1e-5), "do_bg": False, "ddp": False}
        return DC_and_CE_loss(dice, {}, o.get("lambda-ce", 1.0), o.get("lambda-dice", 1.0), ignored(o), MemoryEfficientSoftDiceLoss)(x, y)
    return None


W3, W5 = [0.5, 2.0, 3.0], [1.0, 0.0, 2.5, 0.5, 1.5]
# name, channels, options, labels: "" all classes, "gap" class 1 (k = 1: 1) nowhere, "none" all background, "first" class 1 in the first volume alone
CASES = [
    ("dicece", 2, {}, ""), ("dicece", 1, {}, ""), ("dicece", 3, {"squared": 0}, "gap"), ("dicece", 5, {"background": 0, "batch-dice": 1}, "first"),
    ("dicece", 3, {"jaccard": 1, "lambda-dice": 0.25, "lambda-ce": 2.0}, ""), ("dicece", 3, {"class-weights": W3}, ""),
    ("dicece", 5, {"class-weights": W5, "background": 0, "squared": 0}, "first"), ("dicece", 3, {"label-smoothing": 0.1}, "gap"),
    ("dicece", 5, {"label-smoothing": 0.3, "class-weights": W5}, ""), ("dicece", 1, {"class-weights": [3.0], "squared": 0}, "first"),
    ("dicece", 2, {"smooth-nr": 0.0, "smooth-dr": 0.5}, "none"), ("dicece", 1, {}, "none"), ("dicece", 2, {"background": 0}, "none"),
    ("dice", 2, {}, ""), ("dice", 1, {"jaccard": 1}, ""), ("dice", 5, {"jaccard": 1, "squared": 0, "background": 0}, "gap"),
    ("dice", 3, {"batch-dice": 1, "class-weights": W3}, "first"), ("dice", 1, {"batch-dice": 1, "squared": 0}, "first"),
    ("ce", 2, {}, ""), ("ce", 3, {"class-weights": W3}, "gap"), ("ce", 5, {"label-smoothing": 0.2}, ""), ("ce", 1, {"class-weights": [0.3]}, ""),
    ("bce", 1, {}, ""), ("bce", 3, {}, "gap"), ("bce", 3, {"class-weights": W3}, ""),
    ("focal", 1, {}, ""), ("focal", 1, {"gamma": 0.5, "focal-alpha": 0.75}, "none"), ("focal", 3, {"background": 0}, ""),
    ("focal", 5, {"class-weights": W5, "gamma": 3.0, "focal-alpha": 0.25}, "first"), ("focal", 2, {"gamma": 0.0}, ""),
    ("dicefocal", 2, {}, ""), ("dicefocal", 3, {"class-weights": W3, "squared": 0, "lambda-ce": 0.5}, ""),
    ("dicefocal", 5, {"background": 0, "class-weights": W5}, ""), ("dicefocal", 1, {"focal-alpha": 0.9}, ""),
    ("tversky", 2, {}, ""), ("tversky", 3, {"tversky-alpha": 0.3, "tversky-beta": 0.7}, "gap"),
    ("tversky", 1, {"tversky-alpha": 0.9, "tversky-beta": 0.2}, "first"),
    ("tversky", 5, {"tversky-alpha": 0.0, "tversky-beta": 1.0, "background": 0, "batch-dice": 1}, ""),
    ("gdice", 2, {}, ""), ("gdice", 3, {"volume-weight": 1}, "gap"), ("gdice", 5, {"volume-weight": 0, "background": 0}, ""),
    ("gdice", 3, {"batch-dice": 1}, "first"), ("gdice", 1, {}, ""), ("gdice", 3, {"background": 0}, "none"), ("gdice", 5, {}, "first"),
    ("gdicefocal", 3, {"gamma": 1.5, "lambda-dice": 0.5}, ""), ("gdicefocal", 3, {"class-weights": W3, "volume-weight": 1}, "first"),
    ("nnunet", 2, {}, ""), ("nnunet", 3, {"batch-dice": 1}, "first"), ("nnunet", 5, {"lambda-dice": 0.5}, "gap"),
]
# "ignore": the label to be ignored at a third of the voxels, "all": at all of them
MORE = [
    ("focal", 3, {"focal-softmax": 1}, ""), ("focal", 5, {"focal-softmax": 1, "gamma": 0.5, "focal-alpha": 0.75, "class-weights": W5}, "gap"),
    ("focal", 3, {"focal-softmax": 1, "background": 0, "gamma": 3.0, "class-weights": W3}, ""), ("focal", 2, {"focal-softmax": 1, "gamma": 0.0}, "none"),
    ("dicefocal", 3, {"focal-softmax": 1, "focal-alpha": 0.25, "lambda-ce": 2.0}, "first"), ("gdicefocal", 3, {"focal-softmax": 1}, ""),
    ("dicece", 3, {"ignore-label": 3}, "ignore"), ("dicece", 5, {"ignore-label": 255, "class-weights": W5, "batch-dice": 1, "background": 0}, "ignore"),
    ("dicece", 3, {"ignore-label": 1, "label-smoothing": 0.2}, "ignore"), ("dice", 2, {"ignore-label": 2, "jaccard": 1}, "ignore"),
    ("ce", 3, {"ignore-label": 3, "class-weights": W3}, "ignore"), ("focal", 3, {"ignore-label": 3}, "ignore"),
    ("focal", 3, {"ignore-label": 3, "focal-softmax": 1, "background": 0}, "ignore"), ("dicefocal", 5, {"ignore-label": 5, "class-weights": W5}, "ignore"),
    ("nnunet", 3, {"ignore-label": 3}, "ignore"), ("nnunet", 2, {"ignore-label": 2, "batch-dice": 1, "lambda-ce": 0.5}, "ignore"),
    ("nnunet", 3, {"ignore-label": 3}, "all"),
]
# channels, MONAI's configuration, labels
CONFIGS = [
    (3, {"_target_": "DiceCELoss", "to_onehot_y": True, "softmax": True, "squared_pred": True, "include_background": False}, ""),
    (3, {"_target_": "monai.losses.DiceCELoss", "to_onehot_y": True, "softmax": True, "batch": True, "lambda_ce": 0.5, "lambda_dice": 2.0,
         "label_smoothing": 0.1, "smooth_nr": 0.0, "smooth_dr": 1e-4, "reduction": "mean", "other_act": None}, "gap"),
    (1, {"_target_": "DiceCELoss", "sigmoid": True, "jaccard": True}, ""),
    (3, {"_target_": "DiceLoss", "to_onehot_y": True, "softmax": True, "weight": 2.0}, ""),
    (3, {"_target_": "DiceLoss", "to_onehot_y": True, "softmax": True, "include_background": False, "weight": [0.5, 2.0], "ignore_index": 3}, "ignore"),
    (3, {"_target_": "DiceFocalLoss", "to_onehot_y": True, "softmax": True, "gamma": 1.5, "alpha": 0.7, "lambda_focal": 3.0, "weight": W3}, ""),
    (3, {"_target_": "FocalLoss", "to_onehot_y": True, "use_softmax": True, "gamma": 3.0, "weight": W3}, "first"),
    (5, {"_target_": "FocalLoss", "to_onehot_y": True, "include_background": False, "alpha": None}, ""),
    (3, {"_target_": "TverskyLoss", "to_onehot_y": True, "softmax": True, "alpha": 0.3, "beta": 0.7}, ""),
    (3, {"_target_": "GeneralizedDiceLoss", "to_onehot_y": True, "softmax": True, "w_type": "simple"}, "gap"),
    (3, {"_target_": "GeneralizedDiceFocalLoss", "to_onehot_y": True, "softmax": True, "lambda_gdl": 0.5}, ""),
]


def draw(rng, k, o, kind):
    n, vox = 2, 21
    logits = (3 * rng.standard_normal((n, vox, k))).astype(np.float32)
    logits[0, 0] = 30 * rng.choice([-1, 1], k)  # sure of itself
    truth = rng.integers(0, max(k, 2), (n, vox)).astype(np.uint8)
    if kind == "gap":
        truth[truth == 1] = 0
    if kind == "none":
        truth[:] = 0
    if kind == "first":
        truth[1][truth[1] == 1] = 0
    if kind in ("ignore", "all"):
        truth[rng.random(truth.shape) < (1 if kind == "all" else 0.33)] = o.get("ignore-label", o.get("ignore_index"))
    x = torch.from_numpy(logits).double().movedim(-1, 1).requires_grad_()
    y = torch.from_numpy(truth.astype(np.int64 if k > 1 else np.float64))[:, None]
    return logits, truth, x, y


def loss_case(rng, i, name, k, o, kind):
    logits, truth, x, y = draw(rng, k, o, kind)
    dice, ce = terms(name, o, k, x, y)
    total = (0 if dice is None else o.get("lambda-dice", 1.0) * dice) + (0 if ce is None else o.get("lambda-ce", 1.0) * ce)
    peer = whole(name, o, k, x, y)
    assert peer is None or abs(peer.item() - total.item()) < 1e-6 * (1 + abs(total.item())), (name, o, peer, total)
    total.backward()
    grad = x.grad.movedim(1, -1).float().numpy()
    value = [f"{v:.10g}" for v in (total, 0 if dice is None else dice, 0 if ce is None else ce)]
    return frame({"logits": logits, "truth": truth, "grad": grad}, niipipe="1", kind="loss", id=f"{i}-{name}-{k}-{kind or 'all'}", value=",".join(value),
                 options=json.dumps({"loss": NAMES.index(name), **o}))


def config_case(rng, i, k, config, kind):
    o = dict(config)
    target = o.pop("_target_").split(".")[-1]
    logits, truth, x, y = draw(rng, k, o, kind)
    if isinstance(o.get("weight"), list):
        o["weight"] = torch.tensor(o["weight"])
    total = getattr(monai.losses, target)(**o)(x, y)
    total.backward()
    return frame({"logits": logits, "truth": truth, "grad": x.grad.movedim(1, -1).float().numpy()}, niipipe="1", kind="loss", id=f"config{i}-{target}-{k}",
                 value=f"{total:.10g}", config=json.dumps(config))


# -- optimizers and schedules --------------------------------------------------------------------------------------------------------------------
STEPS, VALUES = 6, 37
ADAM = lambda kind: lambda p, o: kind(p, lr=o["lr"], betas=(o.get("beta1", 0.9), o.get("beta2", 0.999)), eps=o.get("eps", 1e-8), weight_decay=o["decay"])
SGD = lambda p, o: torch.optim.SGD(p, lr=o["lr"], momentum=o.get("momentum", 0.9), nesterov=bool(o.get("nesterov", 0)), weight_decay=o["decay"])
MAKE = [ADAM(torch.optim.AdamW), ADAM(torch.optim.Adam), SGD]
OPTIMIZERS = [
    {"optimizer": 0, "lr": 0.01, "decay": 0.1}, {"optimizer": 0, "lr": 0.1, "decay": 0.0, "beta1": 0.5, "beta2": 0.9, "eps": 1e-3},
    {"optimizer": 1, "lr": 0.01, "decay": 0.1}, {"optimizer": 1, "lr": 0.02, "decay": 0.0},
    {"optimizer": 2, "lr": 0.01, "decay": 3e-5, "momentum": 0.99, "nesterov": 1}, {"optimizer": 2, "lr": 0.1, "decay": 0.1},
    {"optimizer": 2, "lr": 0.1, "decay": 0.01, "momentum": 0.0},
]


def optim_case(rng, i, o):
    before = rng.standard_normal(VALUES).astype(np.float32)
    grads = rng.standard_normal((STEPS, VALUES)).astype(np.float32)
    w = torch.from_numpy(before.copy()).requires_grad_()
    opt = MAKE[o["optimizer"]]([w], o)
    for g in grads:
        w.grad = torch.from_numpy(g.copy())
        opt.step()
    return frame({"before": before, "grads": grads, "after": w.detach().numpy()}, niipipe="1", kind="optim", id=f"optim{i}", options=json.dumps(o))


T = 20
SCHEDULES = [
    ({"schedule": 0}, None),
    ({"schedule": 1}, lambda s: PolyLRScheduler(s, 0.1, T)),
    ({"schedule": 1, "power": 2.0, "epoch-steps": 6}, None),
    ({"schedule": 2, "end-lr": 0.01}, lambda s: torch.optim.lr_scheduler.CosineAnnealingLR(s, T, 0.01)),
    ({"schedule": 3, "warmup": 5}, lambda s: WarmupCosineSchedule(s, 5, T)),
    ({"schedule": 3, "warmup": 0.25, "end-lr": 0.02}, lambda s: WarmupCosineSchedule(s, 5, T, 0.02)),
    ({"schedule": 3}, lambda s: WarmupCosineSchedule(s, 2, T)),
    ({"schedule": 4}, lambda s: torch.optim.lr_scheduler.OneCycleLR(s, 0.1, T, cycle_momentum=False)),
    ({"schedule": 4, "warmup": 0.12}, lambda s: torch.optim.lr_scheduler.OneCycleLR(s, 0.1, T, pct_start=0.12, cycle_momentum=False)),
]


def rates(o, make):
    opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    if o["schedule"] == 1 and "epoch-steps" in o:  # nnU-Net sets it at the beginning of an epoch
        poly = PolyLRScheduler(opt, 0.1, -(-T // o["epoch-steps"]), o["power"])
        return [(poly.step(t // o["epoch-steps"]), opt.param_groups[0]["lr"])[1] for t in range(T)]
    s, lrs = make and make(opt), []
    for _ in range(T):
        lrs.append(opt.param_groups[0]["lr"])
        opt.step()
        if s:
            s.step()
    return lrs


# -- whole runs ------------------------------------------------------------------------------------------------------------------------------------
def dicece(x, y):
    return DiceCELoss(softmax=True, to_onehot_y=True, squared_pred=True)(x, y)


def nnunet(x, y):
    return DC_and_CE_loss({"batch_dice": False, "smooth": 1e-5, "do_bg": False, "ddp": False}, {}, dice_class=MemoryEfficientSoftDiceLoss)(x, y)


def groups(net, decay):
    p = list(net.parameters())
    return [{"params": [v for v in p if v.ndim > 1], "weight_decay": decay}, {"params": [v for v in p if v.ndim == 1], "weight_decay": 0.0}]


PLAIN = "--lr 1e-2 --decay 1e-3 --beta1 0.8 --beta2 0.99 "
ADAMW = lambda net: torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=1e-3, betas=(0.8, 0.99))
# options, loss, optimizer, schedule, clip, batches a step, decay of the moving average
RUNS = [
    (PLAIN.replace("1e-3", "5") + "--batch 2 --no-decay", dicece, lambda net: torch.optim.AdamW(groups(net, 5.0), lr=1e-2, betas=(0.8, 0.99)), None, None, 1, None),
    ("--batch 2 --optimizer sgd --lr 0.1 --momentum 0.8 --nesterov --decay 0.01 --clip 0.3 --schedule cosine --steps 5", dicece,
     lambda net: torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.8, nesterov=True, weight_decay=0.01),
     lambda s: torch.optim.lr_scheduler.CosineAnnealingLR(s, 5), 0.3, 1, None),
    (PLAIN + "--accumulate 2", dicece, ADAMW, None, None, 2, None),
    (PLAIN + "--batch 2 --ema 0.7", dicece, ADAMW, None, None, 1, 0.7),
    ("--batch 2 --lr 0.02 --schedule onecycle --cycle-momentum --steps 5", dicece, lambda net: torch.optim.AdamW(net.parameters(), lr=0.02, weight_decay=1e-5),
     lambda s: torch.optim.lr_scheduler.OneCycleLR(s, 0.02, 5), None, 1, None),
    ("--batch 2 --optimizer sgd --lr 0.1 --decay 0 --schedule onecycle --warmup 0.6 --cycle-momentum --steps 5", dicece,
     lambda net: torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9), lambda s: torch.optim.lr_scheduler.OneCycleLR(s, 0.1, 5, pct_start=0.6), None, 1, None),
    ("--batch 2 --recipe nnunet --epoch-steps 1 --steps 5", nnunet,
     lambda net: torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.99, nesterov=True, weight_decay=3e-5), lambda s: PolyLRScheduler(s, 0.01, 5), 12, 1, None),
]


def run(state, patches, volumes, loss, optimizer, schedule, clip, accumulate, ema):
    net = UNet(**{k: v for k, v in make_train.ARCH.items() if k != "_target_"})
    net.load_state_dict(state)
    opt = optimizer(net)
    sched = schedule and schedule(opt)
    average = ema and torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(ema))
    losses, each = [], 2 // accumulate
    for i in range(0, 10, 2):
        opt.zero_grad()
        value = 0
        for j in range(i, i + 2, each):
            x = torch.from_numpy(np.stack([p[0] for p in patches[j:j + each]]))
            y = torch.from_numpy(np.stack([p[1][None] for p in patches[j:j + each]]).astype(np.int64))
            v = loss(net(x), y) / accumulate
            v.backward()
            value += v.item()
        if clip:
            torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
        opt.step()
        if sched:
            sched.step()
        if average:
            average.update_parameters(net)
        losses.append(value)
    return losses, make_train.dice(average.module if average else net, volumes)


def main(where):
    rng = np.random.default_rng(11)
    torch.manual_seed(5)
    torch.set_num_threads(1)
    with open(os.path.join(where, "losses.ts"), "wb") as f:
        f.write(b"".join(loss_case(rng, i, *c) for i, c in enumerate(CASES)))
        more = np.random.default_rng(12)
        f.write(b"".join(loss_case(more, len(CASES) + i, *c) for i, c in enumerate(MORE)))
        f.write(b"".join(config_case(more, i, *c) for i, c in enumerate(CONFIGS)))
    with open(os.path.join(where, "optim.ts"), "wb") as f:
        f.write(b"".join(optim_case(rng, i, o) for i, o in enumerate(OPTIMIZERS)))
    with open(os.path.join(where, "schedules.tsv"), "w") as f:
        for o, make in SCHEDULES:
            print(json.dumps(dict(o, lr=0.1, steps=T)), *(f"{v:.15g}" for v in rates(o, make)), sep="\t", file=f)
    first, patches, volumes = make_train.start()
    with open(os.path.join(where, "optim.tsv"), "w") as f:
        for options, *how in RUNS:
            losses, dice = run(first.state_dict(), patches, volumes, *how)
            print(options, *(f"{v:.7f}" for v in losses), f"{dice:.6f}", sep="\t", file=f)


if __name__ == "__main__":
    main(sys.argv[1])
