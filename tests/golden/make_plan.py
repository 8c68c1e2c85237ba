#!/usr/bin/env python3
"""Golden files of tests/unit/planner.c and tests/seg-plan.bats: what nnU-Net's planners make of fingerprints, and what its extractor makes of volumes.
Run by hand with a Python that has nnunetv2, nibabel, SimpleITK, numpy:
    python tests/golden/make_plan.py tests/golden
plan.tsv: options, a fingerprint, the plans without what all have alike; plan-full.json: one with everything;
plan-volumes.ts and plan-fingerprint.json: three volumes and DatasetFingerprintExtractor's dataset_fingerprint.json of them."""
import contextlib
import json
import os
import sys
import tempfile

OUT = os.path.abspath(sys.argv[-1])
ROOT = tempfile.mkdtemp()
for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ[name] = os.path.join(ROOT, name)
    os.mkdir(os.environ[name])

import numpy as np
import SimpleITK as sitk
import torch
from frame import frame
from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
from nnunetv2.experiment_planning.experiment_planners.residual_unets.residual_encoder_unet_planners import (
    ResEncUNetPlanner, nnUNetPlannerResEncL, nnUNetPlannerResEncM, nnUNetPlannerResEncXL)

NAME = "Dataset006_Lung"
PLANNERS = {"nnunet": ExperimentPlanner, "resenc": ResEncUNetPlanner, "resenc-m": nnUNetPlannerResEncM, "resenc-l": nnUNetPlannerResEncL,
            "resenc-xl": nnUNetPlannerResEncXL}
RAW = os.path.join(ROOT, "nnUNet_raw", NAME)
PRE = os.path.join(ROOT, "nnUNet_preprocessed", NAME)
STATS = {"max": 3071.0, "mean": -158.58, "median": -118.0, "min": -1024.0, "percentile_00_5": -1024.0, "percentile_99_5": 325.0, "std": 324.7}


def put(path, obj):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(obj, f)


def plans(fingerprint, planner, memory, classes, modality, spacing=None):
    n, channels = len(fingerprint["spacings"]), len(fingerprint["foreground_intensity_properties_per_channel"])
    put(os.path.join(RAW, "dataset.json"), {
        "channel_names": {str(i): modality[i % len(modality)] for i in range(channels)}, "labels": {"background": 0, **{f"l{i}": i for i in range(1, classes)}},
        "numTraining": n, "file_ending": ".nii.gz", "overwrite_image_reader_writer": "SimpleITKIO"})
    for folder, ending in (("imagesTr", "_0000"), ("labelsTr", "")):
        os.makedirs(os.path.join(RAW, folder), exist_ok=True)
        open(os.path.join(RAW, folder, f"a{ending}.nii.gz"), "w").close()
    put(os.path.join(PRE, "dataset_fingerprint.json"), fingerprint)
    for old in os.listdir(PRE):
        if old != "dataset_fingerprint.json":
            os.remove(os.path.join(PRE, old))
    p = PLANNERS[planner](NAME, *([memory] if memory else []), overwrite_target_spacing=spacing)
    with contextlib.redirect_stdout(open(os.devnull, "w")), torch.device("meta"):  # networks are made only to be counted
        p.plan_experiment()
    with open(os.path.join(PRE, p.plans_identifier + ".json")) as f:
        made = json.load(f)
    return made


def brief(made):
    """What differs from data set to data set."""
    out = {k: made[k] for k in ("transpose_forward", "original_median_spacing_after_transp", "original_median_shape_after_transp")}
    for name, c in made["configurations"].items():
        if "inherits_from" in c:
            continue
        a = c["architecture"]["arch_kwargs"]
        out[name] = {k: c[k] for k in ("batch_size", "patch_size", "median_image_size_in_voxels", "spacing", "batch_dice")}
        out[name] |= {k: a[k] for k in ("n_stages", "features_per_stage", "kernel_sizes", "strides")}
        out[name]["normalization"] = c["normalization_schemes"] + c["use_mask_for_norm"]
        out[name]["blocks"] = a.get("n_blocks_per_stage", a.get("n_conv_per_stage")) + a["n_conv_per_stage_decoder"]
    return out


def fingerprint(spacings, shapes, channels=1, kept=1.0):
    return {"spacings": spacings, "shapes_after_crop": shapes, "foreground_intensity_properties_per_channel": {str(i): STATS for i in range(channels)},
            "median_relative_size_after_cropping": kept}


def lung(n=63):
    """Task06's medians as published: 1.24 x 0.785 x 0.785 mm, 252 x 512 x 512 voxels."""
    r = np.random.default_rng(6)
    z = 1.24 + np.sort(r.normal(0, 0.4, n // 2).clip(-0.6, 1.2))
    sizes = 252 + np.round(r.normal(0, 60, n // 2)).clip(-130, 300)
    spacings = [[1.24, 0.7851560115814209, 0.7851560115814209]] + [[float(2.48 - v) if k else float(v), 0.6 + 0.185156 * 1, 0.785156] for k in (0, 1) for v in z]
    shapes = [[252, 512, 512]] + [[int(504 - v) if k else int(v), 512, 512] for k in (0, 1) for v in sizes]
    return fingerprint(spacings, shapes)


def random_one(r):
    n = int(r.integers(2, 9))
    inplane, depth = r.uniform(0.4, 2.5), r.choice([1, 1, 2, 4, 9])
    spacing = np.array([inplane * depth, inplane, inplane])
    shape = np.array([r.integers(12, 400), r.integers(48, 640), 0])
    shape[2] = shape[1]
    order = r.permutation(3) if r.random() < 0.5 else np.arange(3)
    spacings = (spacing[order] * r.uniform(0.7, 1.4, (n, 3))).round(4)
    shapes = np.maximum(8, shape[order] * r.uniform(0.6, 1.5, (n, 3))).astype(int)
    return fingerprint(spacings.tolist(), shapes.tolist(), int(r.integers(1, 3)), float(r.choice([1.0, 0.6])))


def golden_plans():
    rows = []

    def case(fp, planner="resenc-m", memory=None, classes=2, modality=("CT",), spacing=None):
        made = plans(fp, planner, memory, classes, modality, spacing)
        options = {"planner": planner, "classes": classes, "memory": float(memory or 0), "zscore": None if "niipipe" in fp else modality[0] != "CT",
                   "spacing": spacing or [0.0] * 3}
        rows.append("\t".join([json.dumps(options), json.dumps(fp), json.dumps(brief(made))]) + "\n")
        return made

    full = case(lung(), "nnunet")
    print({k: v["patch_size"] for k, v in full["configurations"].items() if "patch_size" in v}, full["configurations"]["3d_fullres"]["spacing"])
    put(os.path.join(OUT, "plan-full.json"), full)
    for planner in PLANNERS:
        case(lung(), planner)
    case(lung(), "nnunet", 24)
    case(lung(), "resenc-l", 11)
    case(lung(), "nnunet", spacing=[3.0, 1.0, 1.0])
    case(fingerprint([[2.0, 1.0, 1.0]] * 3, [[40, 128, 96]] * 3))
    r = np.random.default_rng(2025)
    for i in range(36):
        case(random_one(r), list(PLANNERS)[i % 5], [None, 4.0, 12.0, 80.0][i % 4] if i % 5 < 2 else None, int(r.integers(2, 6)), [["CT"], ["MRI"]][i % 3 == 0])
    for names, kept in ((["CT", "PET"], 1.0), (["pet", "ct", "T1"], 0.6), (["noNorm", "ZScore", "rescale_to_0_1", "RGB_to_0_1", "CT"], 0.6)):
        case({**fingerprint([[2.0, 1.0, 1.0]] * 3, [[40, 128, 96]] * 3, len(names), kept), "niipipe": {"classes": 2, "cases": [], "channel_names": names}}, modality=names)
    case(fingerprint([[5.0, 0.8, 0.7], [4.0, 0.9, 0.7]] * 2, [[1, 200, 180], [1, 256, 230]] * 2), "nnunet")  # slices alone
    with open(os.path.join(OUT, "plan.tsv"), "w") as f:
        f.writelines(rows)
    print(len(rows), "plans,", sum(map(len, rows)), "bytes")


def golden_fingerprint():
    """Borders of zeros, several labels, foreground that reaches into the border, a volume without any."""
    r = np.random.default_rng(7)
    frames = []
    for folder, ending in (("imagesTr", "_0000"), ("labelsTr", "")):
        os.remove(os.path.join(RAW, folder, f"a{ending}.nii.gz"))
    for i, (size, spacing) in enumerate([((20, 17, 11), (0.8, 0.9, 2.5)), ((16, 21, 13), (0.7, 0.7, 1.5)), ((9, 8, 7), (1.0, 1.1, 3.0))]):
        shape = size[::-1]
        image = np.zeros(shape, np.int16)
        image[1:-2, 2:-1, 3:-3] = r.integers(-1000, 400, tuple(s - k for s, k in zip(shape, (3, 3, 6))))
        label = np.zeros(shape, np.uint8)
        if i < 2:
            label[2:6, 0:5, 2:7] = 1
            label[shape[0] - 4:shape[0] - 1, 10:12, 8:10] = 2
        for folder, a, ending in (("imagesTr", image, "_0000"), ("labelsTr", label, "")):
            img = sitk.GetImageFromArray(a)
            img.SetSpacing(spacing)
            sitk.WriteImage(img, os.path.join(RAW, folder, f"v{i}{ending}.nii.gz"))
        affine = " ".join(repr(float(v)) for v in np.diag([-spacing[0], -spacing[1], spacing[2], 1.0]).ravel())
        frames.append(frame({"image": image[None], "label": label}, niipipe=1, kind="volume", id=f"v{i}", affine=affine))
    put(os.path.join(RAW, "dataset.json"), {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1, "b": 2}, "numTraining": 3,
                                            "file_ending": ".nii.gz"})
    extractor = DatasetFingerprintExtractor(NAME, 1)
    extractor.show_progress_bar = False
    print(extractor.run(overwrite_existing=True))
    os.replace(os.path.join(PRE, "dataset_fingerprint.json"), os.path.join(OUT, "plan-fingerprint.json"))
    with open(os.path.join(OUT, "plan-volumes.ts"), "wb") as f:
        f.write(b"".join(frames))


if __name__ == "__main__":
    golden_plans()
    golden_fingerprint()
