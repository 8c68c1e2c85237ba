#!/usr/bin/env python3
"""Golden files of tests/import-folders.bats: results of a training of nnU-Net v2 (here random weights), and what nnU-Net makes of bundle/volume.nii.gz with them,
from file to labels, in results.ts. Run by hand with a Python that has nnunetv2, after make_import.py and make_bundle.py:
    python tests/golden/make_results.py tests/golden
The reader turns the volume, the arrays are transposed and two of their three axes flipped. nnU-Net adds up windows in 16 bits; here it is made to do so in 32,
as ours. No voxel is so close to a tie that probabilities off by 1e-5 could change its label."""
import json
import os
import sys

import numpy as np

for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ[variable] = "/nonexistent"
import nibabel  # noqa: E402
import torch  # noqa: E402
from frame import IDENTITY, frame  # noqa: E402
from nnunetv2.imageio.nibabel_reader_writer import NibabelIOWithReorient  # noqa: E402
from nnunetv2.inference import predict_from_raw_data  # noqa: E402
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans  # noqa: E402

OUT = sys.argv[1]
FORWARD = [1, 2, 0]
CLASSES = 3


def turned(zyx):
    return [zyx[k] for k in FORWARD]


def make_plans():
    root = json.load(open(os.path.join(OUT, "import/plans.json")))
    full = root["configurations"]["3d_fullres"]
    architecture = full["architecture"]
    architecture["arch_kwargs"].update(features_per_stage=[3, 4, 6], kernel_sizes=[turned([1, 3, 3]), [3, 3, 3], [3, 3, 3]],
                                       strides=[[1, 1, 1], turned([1, 2, 2]), [2, 2, 2]])
    seg = {"is_seg": True, "order": 1, "order_z": 0, "force_separate_z": None}
    full.update(data_identifier="nnUNetPlans_3d_fullres", preprocessor_name="DefaultPreprocessor", batch_dice=False, median_image_size_in_voxels=[20, 20, 20],
                spacing=turned([2.2, 1.5, 1.2]), patch_size=turned([8, 16, 12]), resampling_fn_seg="resample_data_or_seg_to_shape", resampling_fn_seg_kwargs=seg,
                resampling_fn_probabilities="resample_data_or_seg_to_shape", resampling_fn_probabilities_kwargs=dict(seg, is_seg=False))
    root.update(image_reader_writer="NibabelIOWithReorient", transpose_forward=FORWARD, transpose_backward=[FORWARD.index(k) for k in range(3)],
                configurations={"3d_fullres": full}, label_manager="LabelManager", experiment_planner_used="ExperimentPlanner",
                original_median_spacing_after_transp=full["spacing"], original_median_shape_after_transp=[20, 20, 20])
    root["foreground_intensity_properties_per_channel"]["0"].update(percentile_00_5=-180.0, percentile_99_5=60.0, mean=-90.0, std=60.0)
    return root, architecture


def network(architecture, seed, checkpoint, configuration="3d_fullres", mirror=(0, 1), channels=1):
    torch.manual_seed(seed)
    net = get_network_from_plans(architecture["network_class_name"], architecture["arch_kwargs"], architecture["_kw_requires_import"], channels, CLASSES,
                                 deep_supervision=False)
    for name, v in net.named_parameters():
        with torch.no_grad():
            if name.endswith(".norm.weight"):
                v.uniform_(0.5, 1.5)
            elif name.endswith(".norm.bias"):
                v.normal_(0, 0.3)
            elif v.dim() > 3:
                v.mul_(2)
    torch.save({"network_weights": net.state_dict(), "trainer_name": "nnUNetTrainer", "init_args": {"configuration": configuration, "fold": 0},
                "inference_allowed_mirroring_axes": mirror, "current_epoch": 1, "logging": {}}, os.path.join(OUT, checkpoint))


def read():
    reader = NibabelIOWithReorient()
    return (reader, *reader.read_images([os.path.join(OUT, "bundle/volume.nii.gz")]))


def on_file(label):
    """Labels as nnU-Net has the axes as [X,Y,Z] of the file."""
    reader, _, properties = read()
    reader.write_seg(label, "/tmp/label.nii.gz", properties)
    return np.asarray(nibabel.load("/tmp/label.nii.gz").dataobj)


def predict(folder, folds, previous=None):
    """Labels [X,Y,Z] of the file, and probabilities [K,...] as nnU-Net has the axes. previous: a file of labels of a cascade's first stage."""
    p = predict_from_raw_data.nnUNetPredictor(use_mirroring=True, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False)
    p.initialize_from_trained_model_folder(os.path.join(OUT, folder), folds)
    reader, image, properties = read()
    torch.half, half = torch.float32, torch.half
    label, prob = p.predict_single_npy_array(image, properties, reader.read_seg(previous)[0] if previous else None, None, True)
    torch.half = half
    return on_file(label), prob


def lead(prob):
    """By how much a voxel's best class leads at least."""
    best = np.sort(prob, 0)
    return (best[-1] - best[-2]).min()


def write_folder(folder, plans, labels, **more):
    with open(os.path.join(OUT, folder, "plans.json"), "w") as f:
        json.dump(plans, f, indent=1)
        f.write("\n")
    with open(os.path.join(OUT, folder, "dataset.json"), "w") as f:
        json.dump({"channel_names": {"0": "CT"}, "labels": labels, **more, "numTraining": 1, "file_ending": ".nii.gz"}, f)
        f.write("\n")


def volume(label):
    return frame({"pred": label.transpose(2, 1, 0).astype(np.uint8)}, niipipe=1, kind="volume", id="volume", affine=IDENTITY)


gaussian = predict_from_raw_data.compute_gaussian
predict_from_raw_data.compute_gaussian = lambda *a, **k: gaussian(*a, **dict(k, dtype=torch.float32))


def results():
    os.makedirs(os.path.join(OUT, "results/fold_0"), exist_ok=True)
    plans, architecture = make_plans()
    write_folder("results", plans, {"background": 0, "spleen": 1, "cyst": 2})
    for seed in range(300):
        network(architecture, seed, "results/fold_0/checkpoint_final.pth")
        label, prob = predict("results", (0,))
        print("seed", seed, np.bincount(label.astype(int).ravel(), minlength=CLASSES), "nearest to a tie", lead(prob))
        if lead(prob) > 2e-5 and np.bincount(label.astype(int).ravel(), minlength=CLASSES).min() > 100:
            break
    else:
        sys.exit("every network ties somewhere")
    with open(os.path.join(OUT, "results.ts"), "wb") as f:
        f.write(volume(label))


if __name__ == "__main__":
    results()
