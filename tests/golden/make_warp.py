#!/usr/bin/env python3
"""Golden frames of resampling between grids that are rotated against each other or sheared, and of smoothing before it, made by SimpleITK, MONAI,
scipy and skimage: writes warp.ts.gz and warp.tsv, as make_preprocess.py.

    python tests/golden/make_warp.py        needs monai, torch, scipy, skimage, SimpleITK; run by hand
"""
import gzip
import os

import numpy as np
import SimpleITK as sitk
import torch
from monai.data import MetaTensor
from frame import frame as bytes_of
from monai.transforms import Orientation, ResampleToMatch, Spacing
from scipy.ndimage import gaussian_filter, map_coordinates
from skimage.transform import resize

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(20261125)
frames, cases = [], []


def frame(name, affine, **tensors):
    """Tensors [C,X,Y,Z] or [X,Y,Z]; returns the frame's index."""
    text = " ".join(repr(float(v)) for v in np.ravel(affine))
    frames.append(bytes_of({k: np.moveaxis(v, (-3, -1), (-1, -3)) for k, v in tensors.items()}, niipipe=1, kind="volume", id=name, affine=text))
    return len(frames) - 1


def case(command, source, result, atol):
    cases.append(f"{command}\t{source}\t{result}\t{atol}")


def rotation(*angles):
    r = np.eye(3)
    for axis, a in enumerate(np.deg2rad(angles)):
        k = np.roll(np.eye(3), (axis, axis), (0, 1))
        r = r @ k @ np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]) @ k.T
    return r


def affine(matrix, origin):
    a = np.eye(4)
    a[:3, :3] = matrix
    a[:3, 3] = origin
    return a


def shear(xy=0.0, xz=0.0, yz=0.0):
    return np.array([[1, xy, xz], [0, 1, yz], [0, 0, 1]])


def around(a, n, matrix, size, off):
    """The affine of a grid of that matrix and size whose centre is a little off a's."""
    return affine(matrix, a[:3, :3] @ (np.array(n) / 2) + a[:3, 3] - matrix @ (np.array(size) / 2 + off))


def itk(x, a):
    """[X,Y,Z] in RAS to SimpleITK, which is LPS; shear and all, so nothing is lost in a file's header."""
    im = sitk.GetImageFromArray(np.ascontiguousarray(x.transpose(2, 1, 0)))
    a = np.diag([-1, -1, 1, 1]) @ a
    spacing = np.linalg.norm(a[:3, :3], axis=0)
    im.SetSpacing(spacing.tolist())
    im.SetOrigin(a[:3, 3].tolist())
    im.SetDirection((a[:3, :3] / spacing).ravel().tolist())
    return im


def itk_resample(x, a, size, b, mode, fill):
    r = sitk.Resample(itk(x, a), itk(np.zeros(size, np.float32), b), sitk.Transform(), mode, fill)
    return sitk.GetArrayFromImage(r).transpose(2, 1, 0)


def blobs(shape, n):
    low = rng.random((n, *[max(2, s // 3) for s in shape]))
    return np.argmax([resize(v, shape, 3) for v in low], 0).astype(np.uint8)


def like_itk():
    """Rotated by a little and by much, mirrored, sheared against sheared, one of them sheared."""
    tilt = shear(yz=0.3)
    todo = [
        ("rotated", rotation(3, -2, 7) @ np.diag((0.9, 1.1, 3)), np.diag((1.3, 0.8, 1.7))),
        ("steep", rotation(40, 25, -110) @ np.diag((-0.9, 1.1, 1.4)), rotation(-20, 35, 50) @ np.diag((1.3, 0.8, -1.7))),
        ("tilted", tilt @ np.diag((0.9, 1.1, 3)), np.diag((1.3, 0.8, 1.7))),
        ("tilt", np.diag((0.9, 1.1, 2)), rotation(0, 10, 0) @ tilt @ np.diag((1.3, -0.8, 1.7))),
        ("both", shear(0.2, -0.1, 0.3) @ np.diag((0.9, 1.1, 2)), rotation(5, 6, 7) @ shear(-0.1, 0.2, -0.3) @ np.diag((1.3, 0.8, 1.7))),
    ]
    for (name, one, other), kind in zip(todo, (np.float32, np.int16, np.int32, np.int16, np.float64)):
        n, size = (10, 8, 6), (11, 9, 7)
        a = affine(one, (-10, 20, 5))
        b = around(a, n, other, size, (0.63, -0.37, 0.31))
        image = rng.integers(-1000, 1000, n).astype(kind)
        label = blobs(n, 3)
        src = frame(name, a, image=image[None], label=label)
        lab = itk_resample(label, a, size, b, sitk.sitkNearestNeighbor, 0)
        y = itk_resample(image.astype(np.float64), a, size, b, sitk.sitkLinear, -1000)
        case("nii-resample --fill=-1000 --like LIKE", src, frame(name, b, image=y[None].astype(np.float32), label=lab), 2e-3)
        y = itk_resample(image, a, size, b, sitk.sitkNearestNeighbor, -1000)
        case("nii-resample --fill=-1000 --interp nearest --like LIKE", src, frame(name, b, image=y[None], label=lab), 0)


def like_spline():
    """ITK mirrors a volume at its border, scipy's "nearest" goes on with the border's values, as we do: ITK on what is flat there, scipy on all."""
    for name, one, other in (
        ("spline-rotated", rotation(3, -2, 7) @ np.diag((0.9, 1.1, 3)), np.diag((1.3, 0.8, 1.7))),
        ("spline-sheared", shear(0.1, 0, 0.3) @ np.diag((0.9, 1.1, 2)), rotation(0, 20, 0) @ np.diag((1.3, -0.8, 1.7))),
    ):
        n, size = (27, 26, 25), (11, 10, 9)
        a = affine(one, (-10, 20, 5))
        image = np.full(n, -1000, np.int16)
        image[11:-11, 11:-11, 11:-11] = rng.integers(-1000, 1000, (5, 4, 3))
        b = around(a, n, other, size, (0.63, -0.37, 0.31))
        y = itk_resample(image.astype(np.float64), a, size, b, sitk.sitkBSpline, -1000)
        case("nii-resample --interp cubic --fill=-1000 --like LIKE", frame(name, a, image=image[None]), frame(name, b, image=y[None].astype(np.float32)), 2e-3)
        n = (8, 7, 6)
        image = rng.integers(-1000, 1000, n).astype(np.int16)
        b = around(a, n, other, size, (0.63, -0.37, 0.31))
        where = np.linalg.solve(a, b) @ np.concatenate([np.indices(size).reshape(3, -1), np.ones((1, np.prod(size)))])
        within = np.all((where[:3] >= -0.5) & (where[:3] < np.array(n)[:, None] - 0.5), 0)
        y = np.where(within, map_coordinates(image.astype(float), where[:3], order=3, mode="nearest"), -1000).reshape(size)
        case("nii-resample --interp cubic --fill=-1000 --like LIKE", frame(name, a, image=image[None]), frame(name, b, image=y[None].astype(np.float32)), 3e-3)


def sheared_monai():
    todo = [
        ("tilt", (9, 8, 6), shear(yz=0.3) @ np.diag((0.9, 1.1, 3)), (1, 1.3, 1.7)),  # a corner of its own is the first of the box
        ("tilt-back", (9, 8, 6), shear(yz=-0.3) @ np.diag((0.9, 1.1, 3)), (1, 1.3, 1.7)),  # none is: middle on middle
        ("tilt-flipped", (9, 8, 6), np.diag((-1, -1, 1)) @ shear(yz=0.25) @ np.diag((0.9, 1.1, 3)), (1.7, 0.8, 2)),
        ("oblique", (7, 9, 5), rotation(10, -20, 30) @ shear(0.1, -0.2, 0.3) @ np.diag((0.9, 1.1, -2)), (1.1, 1.2, 1.3)),
        ("as-it-is", (7, 6, 5), shear(0.21, 0.13, 0.17) @ np.diag((1, 1.2, 2)), (1, 1.2, 2)),
        ("thin", (1, 7, 3), shear(0.2, 0.1, 0.15) @ np.diag((1, 1.2, 2)), (0.9, 1.1, 1.9)),
    ]
    for name, n, matrix, spacing in todo:
        a = affine(matrix, (3, -7, 11))
        image = rng.integers(-1000, 1000, (2, *n)).astype(np.int16)
        label = rng.integers(0, 5, n).astype(np.uint8)
        src = frame(name, a, image=image, label=label)
        for mode in ("bilinear", "nearest"):
            fn = Spacing(spacing, diagonal=False, mode=mode, padding_mode="border", dtype=np.float64)
            near = Spacing(spacing, diagonal=False, mode="nearest", padding_mode="border", dtype=np.float64)
            y = fn(MetaTensor(torch.from_numpy(image.astype(np.float64)), affine=torch.from_numpy(a)))
            lab = near(MetaTensor(torch.from_numpy(label[None].astype(np.float64)), affine=torch.from_numpy(a)))
            kind = np.int16 if mode == "nearest" else np.float32
            out = frame(name, y.affine.numpy(), image=y.numpy().astype(kind), label=lab.numpy()[0].astype(np.uint8))
            words = " --interp nearest" if mode == "nearest" else ""
            case(f"nii-resample -s {','.join(map(str, spacing))}{words}", src, out, 1e-3)
        for code in ("RAS", "SPL"):
            fn = Orientation(code, labels=(("L", "R"), ("P", "A"), ("I", "S")))
            y = fn(MetaTensor(torch.from_numpy(image), affine=torch.from_numpy(a)))
            lab = fn(MetaTensor(torch.from_numpy(label[None]), affine=torch.from_numpy(a)))
            case(f"nii-resample --orient {code}", src, frame(name, y.affine.numpy(), image=y.numpy(), label=lab.numpy()[0]), 0)
    steep = affine(rotation(50, 40, -10) @ shear(0.6, -0.5, 0.7) @ np.diag((0.9, 1.1, -2)), (3, -7, 11))  # where the polar factor decides
    image = rng.integers(-1000, 1000, (1, 3, 4, 5)).astype(np.int16)
    y = Orientation("RAS", labels=(("L", "R"), ("P", "A"), ("I", "S")))(MetaTensor(torch.from_numpy(image), affine=torch.from_numpy(steep)))
    case("nii-resample --orient RAS", frame("steep", steep, image=image), frame("steep", y.affine.numpy(), image=y.numpy()), 0)


def match_monai():
    a = affine(rotation(3, -2, 7) @ np.diag((0.9, 1.1, 3)), (-10, 20, 5))
    n, size = (13, 12, 9), (5, 6, 4)
    b = around(a, n, shear(yz=0.1) @ np.diag((1, 0.8, 1.7)), size, (0.23, -0.17, 0.31))  # all within a
    image = rng.integers(-1000, 1000, (2, *n)).astype(np.int16)
    to = MetaTensor(torch.zeros((1, *size)), affine=torch.from_numpy(b))
    y = ResampleToMatch(mode="bilinear", padding_mode="border", dtype=np.float64)(MetaTensor(torch.from_numpy(image), affine=torch.from_numpy(a)), to)
    case("nii-resample --like LIKE", frame("match", a, image=image), frame("match", b, image=y.numpy().astype(np.float32)), 1e-3)


def smaller(x, size, order, coarse):
    """skimage's resize; nnU-Net's where z is coarse."""
    if not coarse:
        return resize(x, size, order, mode="edge", anti_aliasing=True)
    mid = np.stack([resize(x[..., z], size[:2], order, mode="edge", anti_aliasing=True) for z in range(x.shape[2])], 2)
    where = [m / k * (g + 0.5) - 0.5 for g, m, k in zip(np.indices(size).astype(float), mid.shape, size)]
    return map_coordinates(mid, where, order=0, mode="nearest")


def antialias():
    n, old = (17, 14, 11), (0.7, 0.8, 1.1)
    a = affine(np.diag(old), (-10, 20, 5))
    image = rng.integers(-1000, 1000, (2, *n)).astype(np.int16)
    label = blobs(n, 3)
    src = frame("smooth", a, image=image)
    for size, coarse in (((7, 12, 5), False), ((9, 9, 8), False), ((5, 14, 3), True)):
        scale = np.array(n) / size
        moved = affine(np.diag(old) * scale, a[:3, 3] + np.diag(old) @ (0.5 * scale - 0.5))
        for order, words in ((1, ""), (3, " --interp cubic")):
            y = np.stack([smaller(c.astype(float), size, order, coarse) for c in image])
            case(f"nii-resample --size {','.join(map(str, size))} --align nnunet --antialias{words}", src, frame("smooth", moved, image=y.astype(np.float32)), 3e-3)
    # monai's alignment
    new = (2.1, 0.5, 3)
    size = [int(np.round((k - 1) * o / s + 1)) for k, o, s in zip(n, old, new)]
    y = gaussian_filter(image[0].astype(float), [max(0, (s / o - 1) / 2) for s, o in zip(new, old)], mode="nearest")
    where = [g * s / o for g, s, o in zip(np.indices(size).astype(float), new, old)]
    nearest = label[np.ix_(*[np.minimum(np.round(np.arange(k) * s / o), m - 1).astype(int) for k, s, o, m in zip(size, new, old, n)])]
    for order, words in ((1, ""), (3, " --interp cubic")):
        out = map_coordinates(y, where, order=order, mode="nearest")
        case(f"nii-resample -s {','.join(map(str, new))} --antialias{words}", frame("smooth", a, image=image[:1], label=label),
             frame("smooth", affine(np.diag(new), a[:3, 3]), image=out[None].astype(np.float32), label=nearest), 3e-3)
    # a grid of another, rotated
    matrix = rotation(10, 20, 5) @ np.diag((2, 1, 2.5))
    size = (8, 7, 6)
    b = around(a, n, matrix, size, (0.23, -0.17, 0.31))
    factor = np.linalg.norm(np.linalg.solve(a, b)[:3, :3], axis=1)
    y = gaussian_filter(image[0].astype(float), np.maximum(0, (factor - 1) / 2), mode="nearest")
    y = itk_resample(y, a, size, b, sitk.sitkLinear, 0)
    case("nii-resample --antialias --like LIKE", frame("smooth", a, image=image[:1]), frame("smooth", b, image=y[None].astype(np.float32)), 2e-3)


like_itk()
like_spline()
sheared_monai()
match_monai()
antialias()
with open(os.path.join(here, "warp.ts.gz"), "wb") as f:
    f.write(gzip.compress(b"".join(frames), 9, mtime=0))
with open(os.path.join(here, "warp.tsv"), "w") as f:
    f.write("\n".join(cases) + "\n")
print(len(frames), "frames,", sum(map(len, frames)), "bytes,", len(cases), "cases")
