#!/usr/bin/env python3
"""Golden frames of intensities beyond MONAI's two basic transforms, by MONAI (percentiles) and numpy (nnU-Net's CTNormalization, masks, windows):
writes normalize.ts, normalize.tsv and fingerprint.json, as make_preprocess.py.

    python tests/golden/make_normalize.py        needs monai, torch, numpy, safetensors; run by hand
"""
import json
import os

import numpy as np
import torch
from monai.transforms import ScaleIntensityRangePercentiles
from safetensors.numpy import save

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(20261126)
frames, cases = [], []


def frame(name, **tensors):
    meta = {"niipipe": "1", "kind": "volume", "id": name, "affine": "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"}
    turned = {k: np.ascontiguousarray(np.transpose(np.asarray(v), (0, 3, 2, 1) if np.ndim(v) == 4 else (2, 1, 0))) for k, v in tensors.items()}
    frames.append(save(turned, meta))
    return len(frames) - 1


def case(options, source, name, image, label):
    cases.append(f"nii-normalize {options}\t{source}\t{frame(name, image=image.astype(np.float32), label=label)}\t3e-6")


def percentiles(x, lo, hi, wise):
    return ScaleIntensityRangePercentiles(lo, hi, 0, 1, clip=True, channel_wise=wise)(torch.from_numpy(x.astype(np.float32))).numpy()


def ct(x, p):
    lo, hi, mean, std = (p[k] for k in ("percentile_00_5", "percentile_99_5", "mean", "std"))
    return (np.clip(x.astype(np.float32), lo, hi) - mean) / max(std, 1e-8)


def windows(x, pairs):
    return np.stack([np.clip((x.astype(np.float32) - lo) / (hi - lo), 0, 1) for lo, hi in pairs])


ints = rng.integers(-1024, 1500, (2, 7, 5, 3)).astype(np.int16)
floats = (rng.normal(size=(2, 6, 5, 4)) * 300).astype(np.float32)
props = {str(i): {"max": 3000.0, "mean": m, "median": m, "min": -1024.0, "percentile_00_5": lo, "percentile_99_5": hi, "std": s}
         for i, (m, s, lo, hi) in enumerate(((-158.58, 324.7, -1024.0, 325.0), (12.25, 0.0, -40.5, 99.0)))}
with open(os.path.join(here, "fingerprint.json"), "w") as f:
    json.dump({"spacings": [], "foreground_intensity_properties_per_channel": props}, f, indent=1)
    f.write("\n")
for name, x in (("ints", ints), ("floats", floats)):
    label = (rng.random(x.shape[1:]) < 0.3).astype(np.uint8) * 2
    on = np.broadcast_to(label > 0, x.shape)
    src = frame(name, image=x, label=label)
    for lo, hi in ((0.5, 99.5), (0, 100), (12.5, 33)):
        for wise in (False, True):
            case(f"--percentile {lo},{hi}" + (" --channel-wise" if wise else ""), src, name, percentiles(x, lo, hi, wise), label)
    y = x.astype(np.float64)
    lo, hi = np.percentile(y[on], (2, 98))
    case("--percentile 2,98 --mask label", src, name, np.clip((y - lo) / (hi - lo), 0, 1), label)
    case("--zscore --mask label", src, name, (y - y[on].mean()) / y[on].std(), label)
    case("--zscore --mask label --percentile 2,98", src, name, (np.clip(y, lo, hi) - y[on].mean()) / y[on].std(), label)
    each = [(c - c[label > 0].mean()) / c[label > 0].std() for c in y]
    case("--zscore --mask label --channel-wise", src, name, np.stack(each), label)
    case("--stats fingerprint.json", src, name, np.stack([ct(c, props[str(i)]) for i, c in enumerate(x)]), label)
    one = frame(name, image=x[:1], label=label)
    case("--window=-1350,150,-125,225", one, name, windows(x[0], ((-1350, 150), (-125, 225))), label)
    case("--preset lung,mediastinum", one, name, windows(x[0], ((-1350, 150), (-125, 225))), label)
    case("--preset lung-tumour", one, name, windows(x[0], ((-1024, 325),)), label)
flat = np.full((1, 3, 2, 2), 5, np.int16)
src = frame("flat", image=flat, label=np.ones((3, 2, 2), np.uint8))
case("--percentile 0.5,99.5", src, "flat", flat * 0.0, np.ones((3, 2, 2), np.uint8))
with open(os.path.join(here, "normalize.ts"), "wb") as f:
    f.write(b"".join(frames))
with open(os.path.join(here, "normalize.tsv"), "w") as f:
    f.write("\n".join(cases) + "\n")
print(len(frames), "frames,", sum(map(len, frames)), "bytes,", len(cases), "cases")
