#!/usr/bin/env python3
"""Golden files of tests/cascade.bats: the second stage of a cascade of nnU-Net v2 (random weights), which refines the labels in results.ts, and what nnU-Net makes of
bundle/volume.nii.gz with them, in cascade.ts. Run by hand with a Python that has nnunetv2, after make_results.py:
    python tests/golden/make_cascade.py tests/golden
Windows are added up in 32 bits, and no voxel is close to a tie, as there."""
import json
import os
import sys

import numpy as np

for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ[variable] = "/nonexistent"
import nibabel  # noqa: E402
import torch  # noqa: E402
from frame import IDENTITY, frame  # noqa: E402
from nnunetv2.inference import predict_from_raw_data  # noqa: E402
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans  # noqa: E402

OUT = sys.argv[1]
CLASSES = 3
FOLDER = os.path.join(OUT, "cascade")


def network(seed):
    torch.manual_seed(seed)
    a = plans["configurations"]["3d_fullres"]["architecture"]
    net = get_network_from_plans(a["network_class_name"], a["arch_kwargs"], a["_kw_requires_import"], 1 + CLASSES - 1, CLASSES, deep_supervision=False)
    for name, v in net.named_parameters():
        with torch.no_grad():
            if name.endswith(".norm.weight"):
                v.uniform_(0.5, 1.5)
            elif name.endswith(".norm.bias"):
                v.normal_(0, 0.3)
            elif v.dim() == 5:
                v.mul_(2)
    torch.save({"network_weights": net.state_dict(), "trainer_name": "nnUNetTrainer", "init_args": {"configuration": "3d_cascade_fullres", "fold": 0},
                "inference_allowed_mirroring_axes": (0, 2), "current_epoch": 1, "logging": {}}, os.path.join(FOLDER, "fold_0/checkpoint_final.pth"))


def predict(previous):
    """Labels [X,Y,Z] of the file, and by how much a voxel's best class leads at least."""
    p = predict_from_raw_data.nnUNetPredictor(use_mirroring=True, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False)
    p.initialize_from_trained_model_folder(FOLDER, (0,))
    reader = p.plans_manager.image_reader_writer_class()
    image, properties = reader.read_images([os.path.join(OUT, "bundle/volume.nii.gz")])
    seg = None if previous is None else reader.read_seg(previous)[0]
    torch.half, half = torch.float32, torch.half
    label, prob = p.predict_single_npy_array(image, properties, seg, None, True)
    torch.half = half
    reader.write_seg(label, "/tmp/label.nii.gz", properties)
    lead = np.sort(prob, 0)
    return np.asarray(nibabel.load("/tmp/label.nii.gz").dataobj), (lead[-1] - lead[-2]).min()


def first_stage():
    """The labels in results.ts as a file on the volume's grid."""
    raw = open(os.path.join(OUT, "results.ts"), "rb").read()
    n = int.from_bytes(raw[:8], "little")
    pred = json.loads(raw[8:8 + n])["pred"]
    data = np.frombuffer(raw[8 + n:][slice(*pred["data_offsets"])], np.uint8).reshape(pred["shape"]).transpose(2, 1, 0)
    nibabel.save(nibabel.Nifti1Image(data, nibabel.load(os.path.join(OUT, "bundle/volume.nii.gz")).affine), "/tmp/first.nii.gz")
    return "/tmp/first.nii.gz", data


gaussian = predict_from_raw_data.compute_gaussian
predict_from_raw_data.compute_gaussian = lambda *a, **k: gaussian(*a, **dict(k, dtype=torch.float32))
os.makedirs(os.path.join(FOLDER, "fold_0"), exist_ok=True)
plans = json.load(open(os.path.join(OUT, "results/plans.json")))
full = plans["configurations"]["3d_fullres"]
plans["configurations"] = {"3d_lowres": dict(full, next_stage="3d_cascade_fullres"), "3d_fullres": full,
                           "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}}
with open(os.path.join(FOLDER, "plans.json"), "w") as f:
    json.dump(plans, f, indent=1)
    f.write("\n")
with open(os.path.join(FOLDER, "dataset.json"), "w") as f:
    f.write(open(os.path.join(OUT, "results/dataset.json")).read())
first, before = first_stage()
for seed in range(300):
    network(seed)
    label, lead = predict(first)
    changed = (label != before).mean()
    print("seed", seed, np.bincount(label.astype(int).ravel(), minlength=CLASSES), "nearest to a tie", lead, "other than before", changed)
    if lead > 2e-5 and np.bincount(label.astype(int).ravel(), minlength=CLASSES).min() > 100:
        break
else:
    sys.exit("every network ties somewhere")
with open(os.path.join(OUT, "cascade.ts"), "wb") as f:
    f.write(frame({"pred": label.transpose(2, 1, 0).astype(np.uint8)}, niipipe=1, kind="volume", id="volume", affine=IDENTITY))
