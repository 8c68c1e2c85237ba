#!/usr/bin/env python3
"""Golden files of tests/slices.bats: results of trainings of nnU-Net v2's configuration 2d (random weights), what nnU-Net makes of bundle/volume.nii.gz with
them, from file to labels, and what it makes of the mean of the probabilities of all of them and of results/ (make_results.py), which is 3d_fullres:
nnUNetv2_ensemble. Run by hand with a Python that has nnunetv2, after make_bundle.py and make_results.py:
    python tests/golden/make_slices.py tests/golden
nnU-Net adds up windows in 16 bits; here it is made to do so in 32, as ours. No voxel is so close to a tie that probabilities off by 1e-5 could change its label."""
import os
import sys

import numpy as np
from make_results import CLASSES, OUT, lead, network, on_file, predict, volume, write_folder

ARCH = "dynamic_network_architectures.architectures.unet."
# transpose_forward, target spacing, patch, mirror axes, the network's own. The first resamples slices by themselves, as they are far apart; the second has
# coronal slices whose axes change places, kernels and strides that differ along them
CASES = {
    "z": ([0, 1, 2], [1.3, 0.7], [12, 20], (0, 1), "PlainConvUNet", {"kernel_sizes": [[3, 3]] * 3, "strides": [[1, 1], [2, 2], [2, 2]], "n_conv_per_stage": [2, 1, 1],
          "n_conv_per_stage_decoder": [1, 1]}),
    "y": ([1, 2, 0], [1.2, 2.0], [12, 8], (1,), "ResidualEncoderUNet", {"kernel_sizes": [[3, 1], [3, 3], [3, 3]], "strides": [[1, 1], [2, 1], [2, 2]],
          "n_blocks_per_stage": [1, 2, 1], "n_conv_per_stage_decoder": [1, 1]}),
}


def make_plans(name):
    forward, spacing, patch, _, network, own = CASES[name]
    kwargs = dict({"n_stages": 3, "features_per_stage": [3, 4, 6], "conv_op": "torch.nn.modules.conv.Conv2d", "conv_bias": True,
                   "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d", "norm_op_kwargs": {"eps": 1e-5, "affine": True}, "dropout_op": None,
                   "dropout_op_kwargs": None, "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True}}, **own)
    how = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}
    resample = "resample_data_or_seg_to_shape"
    flat = {"data_identifier": "nnUNetPlans_2d", "preprocessor_name": "DefaultPreprocessor", "batch_size": 12, "patch_size": patch,
            "median_image_size_in_voxels": [20.0, 20.0], "spacing": spacing, "normalization_schemes": ["CTNormalization"], "use_mask_for_norm": [False],
            "resampling_fn_data": resample, "resampling_fn_seg": resample, "resampling_fn_probabilities": resample,
            "resampling_fn_data_kwargs": dict(how, order=3), "resampling_fn_seg_kwargs": dict(how, is_seg=True), "resampling_fn_probabilities_kwargs": how,
            "architecture": {"network_class_name": ARCH + network, "arch_kwargs": kwargs, "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]},
            "batch_dice": True}
    stats = {"max": 900.0, "mean": -90.0, "median": -100.0, "min": -1100.0, "percentile_00_5": -180.0, "percentile_99_5": 60.0, "std": 60.0}
    return {"dataset_name": "Dataset006_Lung", "plans_name": "nnUNetPlans", "original_median_spacing_after_transp": [2.2] + spacing,
            "original_median_shape_after_transp": [20, 20, 20], "image_reader_writer": "NibabelIOWithReorient", "transpose_forward": forward,
            "transpose_backward": [forward.index(k) for k in range(3)], "configurations": {"2d": flat}, "experiment_planner_used": "ExperimentPlanner",
            "label_manager": "LabelManager", "foreground_intensity_properties_per_channel": {"0": stats}}


def write(name, label):
    with open(os.path.join(OUT, name + ".ts"), "wb") as f:
        f.write(volume(label))


mean, total = predict("results", (0,))[1], 1
for case, (_, _, _, mirror, _, _) in CASES.items():
    folder = "slices-" + case
    os.makedirs(os.path.join(OUT, folder, "fold_0"), exist_ok=True)
    plans = make_plans(case)
    write_folder(folder, plans, {"background": 0, "spleen": 1, "cyst": 2})
    for seed in range(300):
        network(plans["configurations"]["2d"]["architecture"], seed, folder + "/fold_0/checkpoint_final.pth", "2d", mirror)
        label, prob = predict(folder, (0,))
        both = (mean + prob) / (total + 1)
        count = np.bincount(label.astype(int).ravel(), minlength=CLASSES)
        print(case, "seed", seed, count, "nearest to a tie", lead(prob), "of all", lead(both))
        if min(lead(prob), lead(both)) > 2e-5 and count.min() > 100:
            break
    else:
        sys.exit("every network ties somewhere")
    write(folder, label)
    mean, total = mean + prob, total + 1
write("slices-all", on_file((mean / total).argmax(0)))
