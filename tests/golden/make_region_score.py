#!/usr/bin/env python3
"""Golden files of tests/regions.bats: masks of regions, some of whose voxels are to be ignored, and what nnUNetv2_evaluate_folder says of them by regions.
region-score.ts: label and pred of each case; region-score.json: the dataset.json; region-score.tsv: id, region, Dice, IoU and voxels of truth, prediction, both.
Run by hand as make_results.py:  python tests/golden/make_region_score.py tests/golden"""
import json
import os
import sys
import tempfile

for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ[variable] = "/nonexistent"
import numpy as np  # noqa: E402
import SimpleITK as sitk  # noqa: E402
from frame import IDENTITY, frame  # noqa: E402
from nnunetv2.evaluation.evaluate_predictions import compute_metrics_on_folder2  # noqa: E402

OUT = sys.argv[1]
LABELS = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": [3], "ignore": 4}


def blob(rng, shape, centre, radius, noise):
    z, y, x = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    d = np.sqrt((z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2) + noise * rng.standard_normal(shape)
    return (d < radius).astype(np.uint8) + (d < 0.6 * radius) + (d < 0.3 * radius)


def cases():
    rng = np.random.default_rng(5)
    shape = (9, 14, 12)
    for i in range(3):
        truth, pred = (blob(rng, shape, (4, 6 + side, 5), 5, 0.7) for side in (0, 1))
        truth[rng.random(shape) < (0.1 if i else 0)] = 4
        yield f"case{i}", truth, pred
    yield "empty", np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    yield "missed", np.minimum(blob(rng, shape, (4, 6, 5), 4, 0), 2), np.zeros(shape, np.uint8)


def main():
    with tempfile.TemporaryDirectory() as work:
        with open(f"{OUT}/region-score.json", "w") as f:
            json.dump({"labels": LABELS, "regions_class_order": [1, 2, 3], "channel_names": {"0": "CT"}, "file_ending": ".nii.gz", "numTraining": 1}, f)
            f.write("\n")
        with open(f"{OUT}/region-score.ts", "wb") as f:
            for name, truth, pred in cases():
                f.write(frame({"label": truth, "pred": pred}, niipipe=1, kind="volume", id=name, affine=IDENTITY))
                for folder, mask in (("truth", truth), ("pred", pred)):
                    os.makedirs(f"{work}/{folder}", exist_ok=True)
                    sitk.WriteImage(sitk.GetImageFromArray(mask), f"{work}/{folder}/{name}.nii.gz")
        compute_metrics_on_folder2(f"{work}/truth", f"{work}/pred", f"{OUT}/region-score.json", f"{OUT}/regions/plans.json", f"{work}/summary.json", 1)
        summary = json.load(open(f"{work}/summary.json"))
    names = {str(tuple(v)): k for k, v in LABELS.items() if isinstance(v, list)}
    with open(f"{OUT}/region-score.tsv", "w") as f:
        f.write("id\tlabel\tdice\tiou\ttruth_voxels\tpred_voxels\tboth_voxels\n")
        for case in summary["metric_per_case"]:
            name = os.path.basename(case["reference_file"])[:-7]
            for key in ("(1, 2, 3)", "(2, 3)", "(3,)"):
                m = case["metrics"][key]
                f.write("\t".join([name, names[key], *(f"{m[k]:.9g}" for k in ("Dice", "IoU", "n_ref", "n_pred", "TP"))]) + "\n")
        for key in ("(1, 2, 3)", "(2, 3)", "(3,)"):
            m = summary["mean"][key]
            f.write("\t".join(["mean", names[key], f"{m['Dice']:.9g}", f"{m['IoU']:.9g}"]) + "\n")


if __name__ == "__main__":
    main()
