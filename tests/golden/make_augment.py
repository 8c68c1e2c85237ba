#!/usr/bin/env python3
"""batchgeneratorsv2 0.3, MONAI 1.6, scipy and numpy -> tests/golden/augment.ts, read by tests/unit/augment.c. Run by hand in tests/golden.

One frame. Metadata `cases`, a line a case: what, source tensor, result tensor, numbers; triples are x,y,z.
warp: angle of x y z (degrees, right-handed), spatial scale (3), shear (6), translation (3), axis that stays (-1: none).
"""
import numpy as np
import torch
from batchgeneratorsv2.transforms.intensity.contrast import ContrastTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import blur_dimension
from batchgeneratorsv2.transforms.spatial import spatial
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
from monai.transforms import AdjustContrast, Affine, Rotate90
from monai.transforms.utils import create_shear
from scipy.ndimage import gaussian_filter, map_coordinates

from frame import IDENTITY, frame

rng = np.random.default_rng(1)
image = (gaussian_filter(rng.normal(size=(8, 10, 11)), 1) * 3 + rng.normal(size=(8, 10, 11)) * 0.2).astype(np.float32)
label = (gaussian_filter(rng.normal(size=image.shape), 1.5) * 20).round().clip(0, 3).astype(np.uint8)
tensors, cases = {"image": image, "label": label}, []


def case(what, source, result, *numbers):
    name = f"r{len(cases)}"
    tensors[name] = np.ascontiguousarray(result)
    cases.append(" ".join([what, source, name, *(repr(float(n)) for n in numbers)]))


def fresh():
    return torch.from_numpy(image.copy())[None]


for s in ((0.5, 0.7, 1), (1, 0.2, 0.81)):  # x y z
    b = fresh()
    for dim in range(3):
        b = blur_dimension(b, s[2 - dim], dim)
    case("blur", "image", b[0].numpy(), *s)
for f, keep in ((0.75, 1), (1.25, 1), (1.25, 0)):
    t = ContrastTransform((f, f), bool(keep), False)
    case("contrast", "image", t._apply_to_image(fresh(), apply_to_channel=torch.tensor([0]), multipliers=torch.tensor([f]))[0].numpy(), f, keep)
for z in ((0.5, 0.5, 0.5), (0.63, 0.63, 1), (0.9, 0.77, 0.6)):
    t = SimulateLowResolutionTransform(z, False, True, None)
    case("lowres", "image", t._apply_to_image(fresh(), apply_to_channel=[0], scales=torch.tensor([z[::-1]]))[0].numpy(), *z)
for g in (0.7, 1.5):
    for invert in (0, 1):
        for keep in (0, 1):
            t = GammaTransform((g, g), invert, False, 1, keep)
            case("gamma", "image", t(image=fresh())["image"][0].numpy(), g, invert, keep)
case("gamma", "image", AdjustContrast(2.2)(fresh())[0].numpy(), 2.2, 0, 0)
case("gamma", "image", AdjustContrast(0.6, True, True)(fresh())[0].numpy(), 0.6, 1, 1)

# nnU-Net's warps: matrix Rz Ry Rx S on (z, y, x), whose right-handed angles are minus ours
patch = (6, 8, 9)
for angles, scale in (((20, -35, 30), 0.8), ((0, 0, 25), 1.3), ((-15, 10, 5), 1)):
    angles = np.array(angles, float)  # about x, y, z
    t = spatial.SpatialTransform(patch, 0, False, mode_seg="nearest")
    matrix = spatial.create_affine_matrix_3d(-np.radians(angles[::-1]), [scale] * 3)
    grid = torch.matmul(t._get_base_grid_clone(), torch.from_numpy(matrix.T).float())
    grid = spatial._convert_my_grid_to_grid_sample_grid(grid, image.shape)
    numbers = [*angles, scale, scale, scale, *[0] * 9, -1]
    case("warp", "image", t._apply_to_image(fresh(), grid=grid)[0].numpy(), *numbers)
    case("warp", "label", t._apply_to_segmentation(torch.from_numpy(label.copy())[None], grid=grid)[0].numpy(), *numbers)
# dummy 2D: slices are channels
t = spatial.SpatialTransform(patch[1:], 0, False, mode_seg="nearest")
matrix = spatial.create_affine_matrix_2d(np.radians(-110), [0.9] * 2)
grid = spatial._convert_my_grid_to_grid_sample_grid(torch.matmul(t._get_base_grid_clone(), torch.from_numpy(matrix.T).float()), image.shape[1:])
case("warp", "image", t._apply_to_image(torch.from_numpy(image[1:7].copy()), grid=grid).numpy(), 0, 0, 110, 0.9, 0.9, 1, *[0] * 9, 2)
# MONAI's: rotate, shear, translate, scale on (z, y, x)
angle, shear, move, scale = 40, (0.1, -0.05, 0.2, 0.03, -0.1, 0.15), (0.5, -1.25, 2), (1.1, 0.9, 0.8)
a = Affine(rotate_params=(np.radians(-angle), 0, 0), shear_params=shear, translate_params=move, scale_params=scale, spatial_size=patch, mode="bilinear",
           padding_mode="zeros", image_only=True)
r = np.radians(-angle)
turn = np.array([[1, 0, 0], [0, np.cos(r), -np.sin(r)], [0, np.sin(r), np.cos(r)]])
moved = turn @ create_shear(3, shear)[:3, :3] @ move
case("warp", "image", a(fresh())[0].numpy(), 0, 0, angle, *scale[::-1], *shear, *moved[::-1], -1)
# quarter turns of a square plane, from x to y
square = np.ascontiguousarray(image[:, :, :10])
tensors["square"] = square
for k in (1, 2, 3):
    case("turn", "square", Rotate90(k, (1, 2))(square[None])[0], k)
# a field of 20 x 9 x 5 voxels, points 4 apart; what it is on x
points = rng.uniform(-1, 1, (3, 5, 6, 8)).astype(np.float32)
points = points[:, :(5 - 1) // 4 + 4, :(9 - 1) // 4 + 4, :(20 - 1) // 4 + 4]
tensors["points"] = points
at = np.meshgrid(*(np.arange(n) / 4 + 1 for n in (5, 9, 20)), indexing="ij")
case("elastic", "points", np.stack([map_coordinates(p.astype(float), at, order=3, prefilter=False) for p in points]).astype(np.float32), 4)

with open("augment.ts", "wb") as f:
    f.write(frame(tensors, niipipe=1, kind="volume", id="augment", affine=IDENTITY, cases="\n".join(cases)))
