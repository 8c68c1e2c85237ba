"""peer_augment.py size | peer_augment.py bench PATCHES.ts RUNS

size: the initial patch size x,y,z of nnU-Net (configure_rotation_dummyDA_mirroring_and_inital_patch_size) for 128x128x64.
bench: nnU-Net's training transforms (batchgeneratorsv2, the list of nnUNetTrainer.get_training_transforms) on the patches of a stream that are in
memory already, one label value or more, 2 threads; imports, reading and copying not counted. Name, best wall ms, best processor ms a patch; the whole
list, then each transform alone and certain.
"""
import sys
import time

import numpy as np
from batchgenerators.augmentations.utils import rotate_coords_3d

PATCH = (64, 128, 128)
ROTATION = (-30 / 360 * 2 * np.pi, 30 / 360 * 2 * np.pi)


def initial_size(final, rotation, scale):
    """nnunetv2/training/data_augmentation/compute_initial_patch_size.py: get_patch_size, by its definition."""
    size = np.array(final, float)
    angle = min(np.pi / 2, max(np.abs(rotation)))
    for k in range(3):
        angles = [0, 0, 0]
        angles[k] = angle
        size = np.maximum(size, np.abs(rotate_coords_3d(np.array(final, float), *angles)))
    return (size / min(scale)).astype(int)


if sys.argv[1] == "size":
    print(*initial_size(PATCH, ROTATION, (0.85, 1.25))[::-1], sep=",")
    sys.exit()

import torch
from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
from batchgeneratorsv2.transforms.intensity.contrast import BGContrast, ContrastTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from batchgeneratorsv2.transforms.utils.remove_label import RemoveLabelTansform
from safetensors import deserialize

torch.set_num_threads(2)


def spatial(p):
    return SpatialTransform(PATCH, 0, False, p_elastic_deform=0, p_rotation=p, rotation=ROTATION, p_scaling=p, scaling=(0.7, 1.4),
                            p_synchronize_scaling_across_axes=1, bg_style_seg_sampling=False)


def blur(p):
    return GaussianBlurTransform((0.5, 1.0), synchronize_channels=False, synchronize_axes=False, p_per_channel=p, benchmark=True)


def lowres(p):
    return SimulateLowResolutionTransform((0.5, 1), False, True, None, None, p)


def gamma(invert):
    return GammaTransform(BGContrast((0.7, 1.5)), invert, False, 1, 1)


noise = GaussianNoiseTransform((0, 0.1), 1, True)
brightness = MultiplicativeBrightnessTransform(BGContrast((0.75, 1.25)), False, 1)
contrast = ContrastTransform(BGContrast((0.75, 1.25)), True, False, 1)
mirror = MirrorTransform((0, 1, 2))
crop = spatial(0)
everything = ComposeTransforms([
    spatial(0.2), RandomTransform(noise, 0.1), RandomTransform(blur(0.5), 0.2), RandomTransform(brightness, 0.15), RandomTransform(contrast, 0.15),
    RandomTransform(lowres(0.5), 0.25), RandomTransform(gamma(1), 0.1), RandomTransform(gamma(0), 0.3), mirror, RemoveLabelTansform(-1, 0)])
alone = {"cut": [], "rotate,spatial-scale": None, "flip": [mirror], "noise": [noise], "blur": [blur(1)], "brightness": [brightness], "contrast": [contrast],
         "lowres": [lowres(1)], "gamma": [gamma(0)], "gamma-inverted": [gamma(1)]}


def patches(path):
    data, at = open(path, "rb").read(), 0
    while at < len(data):
        n = int.from_bytes(data[at:at + 8], "little")
        import json
        header = json.loads(data[at + 8:at + 8 + n])
        end = max(t["data_offsets"][1] for k, t in header.items() if k != "__metadata__")
        t = {k: v for k, v in deserialize(data[at:at + 8 + n + end])}
        kind = {"F32": np.float32, "U8": np.uint8}
        image, label = (np.frombuffer(t[k]["data"], kind[t[k]["dtype"]]).reshape(t[k]["shape"]) for k in ("image", "label"))
        yield torch.from_numpy(image.copy()), torch.from_numpy(label.astype(np.int16))[None]
        at += 8 + n + end


data, runs = list(patches(sys.argv[2])), int(sys.argv[3])
for name, todo in {"nnunet": None, **alone}.items():
    t = everything if name == "nnunet" else ComposeTransforms([spatial(1) if todo is None else crop, *(todo or [])])
    wall = cpu = 1e9
    np.random.seed(1)
    torch.manual_seed(1)
    rounds = 4 if name == "nnunet" else 1
    for _ in range(runs):
        w = c = 0
        for _ in range(rounds):
            for image, label in data:
                d = {"image": image.clone(), "segmentation": label.clone()}
                a, b = time.perf_counter(), time.process_time()
                d = t(**d)
                d["image"].contiguous(), d["segmentation"].contiguous()
                w, c = w + time.perf_counter() - a, c + time.process_time() - b
        wall, cpu = min(wall, w), min(cpu, c)
    print(name, 1e3 * wall / rounds / len(data), 1e3 * cpu / rounds / len(data), sep="\t", flush=True)
