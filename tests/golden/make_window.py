"""Golden files of sliding windows, made by MONAI's sliding_window_inference (run by hand: python tests/golden/make_window.py).
window.ts        volumes through a predictor that C can repeat: class 0 the first channel, class 1 it times a ramp over the window,
                 class 2 (where there is one) the last channel times the ramp; model m multiplies the ramp by 1 - 0.75 m; metadata `case` says roi and
                 so on (z,y,x). Cases of grid nnunet are nnU-Net's predictor's, with its halves made floats.
window_model.ts  a small UNet; window_net.ts: volumes and its logits
window_other.ts  a smaller one; window_more.ts: volumes and what these two give with the options of window_more.tsv, a line a frame"""
import functools
import itertools
import json
import os

import monai
import nnunetv2.inference.predict_from_raw_data as nnunet
import numpy as np
import torch
from monai.inferers import sliding_window_inference
from safetensors.numpy import save

HERE = os.path.dirname(os.path.abspath(__file__))
AFFINE = "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"


def ramp(shape):
    d, h, w = shape
    z, y, x = np.meshgrid(np.arange(d), np.arange(h), np.arange(w), indexing="ij")
    return torch.from_numpy((1 + 0.125 * z - 0.0625 * y + 0.03125 * x).astype(np.float32))


def ramped(classes, model=0):
    def predict(x):
        r = ramp(x.shape[2:]) * (1 - 0.75 * model)
        out = [x[:, :1], x[:, :1] * r]
        if classes == 3:
            out.append(x[:, -1:] * r)
        return torch.cat(out, 1)

    return predict


def mean(predictors, mirror=(), prob=False):
    """One predictor: the mean of several over all flips of the axes."""

    def predict(x):
        sets = [[a + 2 for a in c] for n in range(len(mirror) + 1) for c in itertools.combinations(mirror, n)]
        out = [torch.flip(p(torch.flip(x, s)), s) for p in predictors for s in sets]
        if prob:
            out = [o.softmax(1) for o in out]
        return sum(out) / len(out)

    return predict


def frame(ident, tensors, **meta):
    meta = {"niipipe": "1", "kind": "volume", "id": ident, "affine": AFFINE, **meta}
    return save({k: np.ascontiguousarray(v) for k, v in tensors.items()}, {k: v if isinstance(v, str) else json.dumps(v) for k, v in meta.items()})


def infer(image, predict, roi, overlap, mode, sigma, fill=0.0, batch=3, padding="constant"):
    with torch.no_grad():
        y = sliding_window_inference(torch.from_numpy(image)[None], roi, batch, predict, overlap=overlap, mode=mode, sigma_scale=sigma, cval=fill,
                                     padding_mode=padding)
    return y[0].numpy()


class Named:
    def __init__(self, **kw):
        self.__dict__.update(kw)


def infer_nnunet(image, predict, roi, overlap, mode, classes, mirror):
    """nnUNetPredictor's sliding window, kept in floats: its halves would differ in the third digit."""
    p = nnunet.nnUNetPredictor(tile_step_size=1 - overlap, use_gaussian=mode == "nnunet", use_mirroring=bool(mirror), device=torch.device("cpu"),
                               perform_everything_on_device=False, allow_tqdm=False)
    net = torch.nn.Module()
    net.forward = predict
    p.network, p.allowed_mirroring_axes = net, tuple(mirror)
    p.configuration_manager, p.label_manager = Named(patch_size=list(roi)), Named(num_segmentation_heads=classes)
    half, gaussian = torch.half, nnunet.compute_gaussian
    torch.half, nnunet.compute_gaussian = torch.float32, functools.partial(gaussian, dtype=torch.float32)
    try:
        return p.predict_sliding_window_return_logits(torch.from_numpy(image)).numpy()
    finally:
        torch.half, nnunet.compute_gaussian = half, gaussian


# size, roi: z,y,x
CASES = [
    dict(size=(13, 17, 11), roi=(8, 8, 8), overlap=0.25, mode="gaussian"),
    dict(size=(13, 17, 11), roi=(8, 8, 8), overlap=0.5, mode="constant"),
    dict(size=(19, 9, 15), roi=(6, 8, 12), overlap=0.8, mode="gaussian"),
    dict(size=(19, 9, 15), roi=(6, 8, 12), overlap=0.8, mode="constant"),
    dict(size=(5, 30, 7), roi=(16, 16, 16), overlap=0.25, mode="gaussian"),
    dict(size=(3, 4, 5), roi=(8, 9, 10), overlap=0.5, mode="constant", fill=-1.0),
    dict(size=(14, 3, 21), roi=(8, 8, 8), overlap=0.5, mode="gaussian", fill=2.5),
    dict(size=(1, 9, 9), roi=(1, 4, 4), overlap=0.25, mode="gaussian"),
    dict(size=(8, 11, 12), roi=(8, 4, 6), overlap=0.25, mode="gaussian"),
    dict(size=(11, 12, 13), roi=(4, 6, 5), overlap=0.6, mode="gaussian", sigma=0.25, channels=2, classes=3),
    dict(size=(10, 11, 12), roi=(4, 4, 4), overlap=0.0, mode="constant", channels=3, classes=3),
    dict(size=(7, 6, 5), roi=(3, 3, 3), overlap=0.9, mode="gaussian"),
    dict(size=(1, 1, 1), roi=(2, 1, 4), overlap=0.25, mode="gaussian"),
    dict(size=(9, 5, 11), roi=(8, 9, 8), overlap=0.5, mode="gaussian", padding="reflect"),
    dict(size=(3, 4, 5), roi=(8, 9, 10), overlap=0.5, mode="constant", padding="replicate"),
    dict(size=(3, 4, 5), roi=(8, 9, 10), overlap=0.5, mode="gaussian", padding="circular", channels=2, classes=3),
    dict(size=(9, 10, 11), roi=(8, 8, 8), overlap=0.25, mode="gaussian", mirror=[2]),
    dict(size=(9, 9, 8), roi=(6, 8, 7), overlap=0.5, mode="gaussian", mirror=[0, 1, 2], channels=2, classes=3),
    dict(size=(9, 9, 8), roi=(6, 8, 7), overlap=0.5, mode="gaussian", models=2),
    dict(size=(9, 9, 5), roi=(6, 8, 7), overlap=0.5, mode="gaussian", mirror=[0, 1], models=2, prob=True),
    dict(size=(8, 7, 9), roi=(6, 4, 7), overlap=0.25, mode="constant", models=3, prob=True, classes=3, padding="replicate"),
    dict(size=(11, 13, 10), roi=(8, 8, 8), overlap=0.5, mode="nnunet", grid="nnunet"),
    dict(size=(15, 11, 17), roi=(7, 8, 9), overlap=0.5, mode="nnunet", grid="nnunet", mirror=[0, 1, 2]),
    dict(size=(5, 17, 7), roi=(8, 7, 6), overlap=0.3, mode="nnunet", grid="nnunet", mirror=[1], channels=2, classes=3),
    dict(size=(11, 9, 13), roi=(6, 8, 12), overlap=0.8, mode="constant", grid="nnunet"),
    dict(size=(9, 11, 8), roi=(8, 7, 6), overlap=0.5, mode="nnunet", grid="nnunet", models=2, mirror=[2]),
    dict(size=(9, 7, 8), roi=(6, 5, 7), overlap=0.25, mode="gaussian", mirror=[0]),
    dict(size=(9, 7, 8), roi=(6, 5, 7), overlap=0.5, mode="constant", mirror=[1], prob=True),
    dict(size=(7, 7, 8), roi=(6, 5, 7), overlap=0.8, mode="gaussian", mirror=[0, 2]),
    dict(size=(9, 5, 8), roi=(6, 7, 7), overlap=0.25, mode="constant", mirror=[1, 2], padding="reflect"),
    dict(size=(11, 9, 7), roi=(8, 6, 5), overlap=0.25, mode="nnunet", grid="nnunet", mirror=[0]),
    dict(size=(11, 9, 7), roi=(8, 6, 5), overlap=0.8, mode="nnunet", grid="nnunet", mirror=[0, 1]),
    dict(size=(5, 4, 6), roi=(8, 6, 7), overlap=0.5, mode="nnunet", grid="nnunet", mirror=[0, 2]),
    dict(size=(11, 9, 7), roi=(8, 6, 5), overlap=0.25, mode="constant", grid="nnunet", mirror=[1, 2]),
]


def ramps():
    rng = np.random.default_rng(1)
    for i, c in enumerate(CASES):
        c = {"sigma": 0.125, "fill": 0.0, "channels": 1, "classes": 2, "padding": "constant", "mirror": [], "models": 1, "prob": False, "grid": "monai", **c}
        image = rng.normal(size=(c["channels"], *c["size"])).astype(np.float32)
        models = [ramped(c["classes"], m) for m in range(c["models"])]
        if c["grid"] == "nnunet":
            out = infer_nnunet(image, mean(models), c["roi"], c["overlap"], c["mode"], c["classes"], c["mirror"])
        else:
            out = infer(image, mean(models, c["mirror"], c["prob"]), c["roi"], c["overlap"], c["mode"], c["sigma"], c["fill"], padding=c["padding"])
        yield frame(f"ramp{i}", {"image": image, "prob": out}, case=c, prob="probabilities" if c["prob"] else "logits")


ARCH = {"_target_": "UNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 2, "channels": [4, 8, 16], "strides": [2, 2], "num_res_units": 2}
NET_CASES = [
    dict(size=(13, 18, 21), roi=(8, 16, 12), overlap=0.25, mode="gaussian", sigma=0.125),
    dict(size=(13, 18, 21), roi=(8, 16, 12), overlap=0.5, mode="constant", sigma=0.125),
    dict(size=(15, 10, 27), roi=(8, 12, 12), overlap=0.8, mode="gaussian", sigma=0.125),
]


def small_unet(seed, arch, name):
    torch.manual_seed(seed)
    net = monai.networks.nets.UNet(**{k: v for k, v in arch.items() if k != "_target_"}).eval()
    with torch.no_grad():  # make it answer to more than its biases
        for p in net.parameters():
            p.mul_(1.5)
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(save({k: v.numpy() for k, v in net.state_dict().items()},
                     {"niipipe": "1", "kind": "model", "id": "window", "arch": json.dumps(arch), "replay": "[]", "roi": "12,16,8"}))
    return net


def network(net):
    rng = np.random.default_rng(2)
    for i, c in enumerate(NET_CASES):
        image = rng.normal(size=(1, *c["size"])).astype(np.float32)
        out = infer(image, net, c["roi"], c["overlap"], c["mode"], c["sigma"])
        yield frame(f"net{i}", {"image": image, "prob": out}, case=c, prob="logits")


# options of seg-window, in its own words and order of axes
MORE_CASES = [*(f"--grid nnunet --mode nnunet --overlap 0.5 --mirror {m}" for m in ("x", "y", "xy", "z", "xz", "yz", "xyz")),
              "--grid nnunet --mode nnunet --overlap 0.25", "--grid nnunet --mode nnunet --overlap 0.8", "--grid nnunet --mode constant --overlap 0.25",
              "--overlap 0.25 --mode constant", "--overlap 0.8 --mode constant", "--overlap 0.5 --sigma 0.2", "--padding reflect", "--padding replicate",
              "--padding circular", "--fill 2.5", "--mirror xz", "-m other.ts", "-m other.ts --overlap 0.5 --mean prob", "-m other.ts --grid nnunet --mode nnunet --mirror yz"]


def more(nets):
    rng = np.random.default_rng(4)
    lines = []
    for i, text in enumerate(MORE_CASES):
        o = dict(zip(*[iter(text.split())] * 2))
        image = rng.normal(size=(1, *((6, 9, 10), (10, 6, 9))[i % 2])).astype(np.float32)
        mirror, soft = ["zyx".index(a) for a in sorted(o.get("--mirror", ""), reverse=True)], o.get("--mean") == "prob"
        both, overlap, mode = nets if "-m" in o else nets[:1], float(o.get("--overlap", 0.25)), o.get("--mode", "gaussian")
        if o.get("--grid") == "nnunet":
            out = infer_nnunet(image, mean(both), (8, 8, 8), overlap, mode, 2, mirror)
        else:
            out = infer(image, mean(both, mirror, soft), (8, 8, 8), overlap, mode, float(o.get("--sigma", 0.125)), float(o.get("--fill", 0)),
                        padding=o.get("--padding", "constant"))
        lines.append(f"{text} --output {'prob' if soft else 'logits'}\n")
        yield frame(f"more{i}", {"image": image, "prob": out}, prob="probabilities" if soft else "logits")
    with open(os.path.join(HERE, "window_more.tsv"), "w") as f:
        f.writelines(lines)


NETS = [small_unet(3, ARCH, "window_model.ts"), small_unet(5, {**ARCH, "channels": [2, 4], "strides": [2]}, "window_other.ts")]
with torch.no_grad():
    for name, frames in (("window.ts", ramps()), ("window_net.ts", network(NETS[0])), ("window_more.ts", more(NETS))):
        with open(os.path.join(HERE, name), "wb") as f:
            for b in frames:
                f.write(b)
