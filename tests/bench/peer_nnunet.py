"""Peer of tests/bench/nnunet.sh: results of nnU-Net v2 as TotalSegmentator's are (random weights), and nnU-Net's own prediction with them.
    python peer_nnunet.py make PLANS DIR CLASSES SPACING PATCH [2d]    DIR becomes a results folder; PLANS: a plans.json that it takes the rest of
    python peer_nnunet.py predict DIR IMAGES MASKS                nnUNetv2_predict_from_modelfolder on the CPU, of fold 0, in the flips the folder says
    python peer_nnunet.py same A B                                which part of the voxels has the same label
SPACING: one number of mm, PATCH: one of voxels; both for every axis. 2d: of slices, as nnU-Net plans those of 512x512 voxels."""
import json
import os
import sys

for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ.setdefault(variable, "/nonexistent")


def make(plans, out, classes, spacing, patch, name="3d_fullres"):
    import torch
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    classes, spacing, patch = int(classes), float(spacing), int(patch)
    root = json.load(open(plans))
    full = root["configurations"]["3d_fullres"]
    a = full["architecture"]
    features, d = ([32, 64, 128, 256, 512, 512, 512, 512], 2) if name == "2d" else ([32, 64, 128, 256, 320, 320], 3)
    n = len(features)
    a["arch_kwargs"].update(n_stages=n, features_per_stage=features, kernel_sizes=[[3] * d] * n, strides=[[1] * d] + [[2] * d] * (n - 1),
                            n_conv_per_stage=[2] * n, n_conv_per_stage_decoder=[2] * (n - 1), conv_op=f"torch.nn.modules.conv.Conv{d}d",
                            norm_op=f"torch.nn.modules.instancenorm.InstanceNorm{d}d")
    seg = {"is_seg": True, "order": 1, "order_z": 0, "force_separate_z": None}
    full.update(data_identifier="nnUNetPlans_" + name, preprocessor_name="DefaultPreprocessor", batch_dice=False, median_image_size_in_voxels=[patch] * d,
                spacing=[spacing] * d, patch_size=[patch] * d, resampling_fn_seg="resample_data_or_seg_to_shape", resampling_fn_seg_kwargs=seg,
                resampling_fn_probabilities="resample_data_or_seg_to_shape", resampling_fn_probabilities_kwargs=dict(seg, is_seg=False))
    root.update(image_reader_writer="NibabelIOWithReorient", transpose_forward=[0, 1, 2], transpose_backward=[0, 1, 2], configurations={name: full},
                label_manager="LabelManager", experiment_planner_used="ExperimentPlanner", original_median_spacing_after_transp=[spacing] * 3,
                original_median_shape_after_transp=[patch] * 3)
    torch.manual_seed(0)
    net = get_network_from_plans(a["network_class_name"], a["arch_kwargs"], a["_kw_requires_import"], 1, classes, deep_supervision=False)
    os.makedirs(os.path.join(out, "fold_0"))
    torch.save({"network_weights": net.state_dict(), "trainer_name": "nnUNetTrainer", "init_args": {"configuration": name, "fold": 0},
                "inference_allowed_mirroring_axes": None, "current_epoch": 1, "logging": {}}, os.path.join(out, "fold_0/checkpoint_final.pth"))
    json.dump(root, open(os.path.join(out, "plans.json"), "w"))
    labels = {"background": 0, **{"organ%d" % k: k for k in range(1, classes)}}
    json.dump({"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}, open(os.path.join(out, "dataset.json"), "w"))


def predict(folder, images, masks):
    from nnunetv2.inference.predict_from_raw_data import predict_entry_point_modelfolder

    sys.argv = ["predict", "-i", images, "-o", masks, "-m", folder, "-f", "0", "-device", "cpu", "-npp", "1", "-nps", "1", "--disable_progress_bar"]
    predict_entry_point_modelfolder()


def same(a, b):
    import nibabel
    import numpy as np

    a, b = (np.asarray(nibabel.load(f).dataobj) for f in (a, b))
    print("%.6f" % (a == b).mean(), len(np.unique(b)))


if __name__ == "__main__":
    {"make": make, "predict": predict, "same": same}[sys.argv[1]](*sys.argv[2:])
