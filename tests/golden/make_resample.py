#!/usr/bin/env python3
"""Golden frames of resampling beyond MONAI's Spacing, made by skimage and scipy as nnU-Net calls them (nnunetv2/preprocessing/resampling/
default_resampling.py, batchgenerators' resize_segmentation), by scipy alone and by SimpleITK: writes resample.ts and resample.tsv, as make_preprocess.py.

    python tests/golden/make_resample.py        needs scipy, skimage, SimpleITK; run by hand
"""
import numpy as np
import SimpleITK as sitk
from scipy.ndimage import map_coordinates, zoom
from skimage.transform import resize

from frame import Golden

rng = np.random.default_rng(20261124)
golden = Golden("resample")


def coarse(spacing):
    s = np.array(spacing)
    axis = np.where(max(s) / s == 1)[0]
    return axis[0] if max(s) / min(s) > 3 and len(axis) == 1 else None


def resize_segmentation(seg, shape, order):
    out = np.zeros(shape, seg.dtype)
    for c in np.unique(seg):
        out[resize((seg == c).astype(float), shape, order, mode="edge", clip=True, anti_aliasing=False) >= 0.5] = c
    return out


def nnunet(x, shape, axis, order, seg):
    if tuple(x.shape) == tuple(shape):
        return x
    fn = (lambda a, s: resize_segmentation(a, s, order)) if seg else (lambda a, s: resize(a.astype(float), s, order, mode="edge", anti_aliasing=False))
    if axis is None:
        return fn(x, shape)
    plane = [n for i, n in enumerate(shape) if i != axis]
    mid = np.stack([fn(np.take(x, i, axis), plane) for i in range(x.shape[axis])], axis)
    grid = np.mgrid[tuple(slice(n) for n in shape)].astype(float)
    where = [mid.shape[i] / shape[i] * (g + 0.5) - 0.5 for i, g in enumerate(grid)]
    return map_coordinates(mid, where, order=0, mode="nearest")


def blobs(shape, n):
    low = rng.random((n, *[max(2, s // 3) for s in shape]))
    return np.argmax([resize(v, shape, 3) for v in low], 0).astype(np.uint8)


def nnunet_cases():
    todo = [
        ("up", (9, 7, 5), (1.5, 1.6, 2.0), (0.83, 1.1, 1.3)),
        ("down", (13, 11, 9), (0.7, 0.8, 1.1), (1.7, 1.3, 1.55)),
        ("coarse", (11, 9, 5), (0.8, 0.9, 5.0), (1.1, 0.6, 2.0)),
        ("to-coarse", (9, 8, 17), (0.9, 0.8, 1.0), (1.3, 0.7, 4.5)),
        ("thin", (1, 7, 3), (1.0, 1.2, 1.1), (0.5, 0.7, 1.9)),
    ]
    for name, shape, old, new in todo:
        affine = np.diag([*old, 1.0])
        affine[:3, 3] = (-10, 20, 5)
        image = rng.integers(-1000, 1000, (2, *shape)).astype(np.int16)
        label = blobs(shape, 4)
        src = golden.frame(name, affine, image=image, label=label)
        size = [int(round(o / n * k)) for o, n, k in zip(old, new, shape)]
        axis = coarse(old)
        axis = coarse(new) if axis is None else axis
        scale = np.array(shape) / size
        moved = affine.copy()
        moved[:3, :3] *= scale
        moved[:3, 3] += affine[:3, :3] @ (0.5 * scale - 0.5)
        triple = ",".join(map(str, new))
        for order, words in ((3, "--interp cubic --label-interp linear"), (1, "--label-interp linear")):
            y = np.stack([nnunet(c, size, axis, order, False) for c in image])
            lab = nnunet(label, size, axis, 1, True)
            golden.case(f"nii-resample -s {triple} --align nnunet {words}", src, golden.frame(name, moved, image=y.astype(np.float32), label=lab), 2e-3)


def cubic():
    for name, shape, old, new in (("cubic", (9, 7, 5), (0.9, 1.1, 3), (1, 0.7, 1.7)), ("small", (1, 2, 3), (2, 2, 2), (1, 1, 1.5))):
        image = rng.integers(-1000, 1000, (1, *shape)).astype(np.int16)
        src = golden.frame(name, np.diag([*old, 1.0]), image=image)
        size = [int(np.round((n - 1) * o / s + 1)) for n, o, s in zip(shape, old, new)]
        where = [g * s / o for g, s, o in zip(np.mgrid[tuple(slice(n) for n in size)].astype(float), new, old)]
        y = map_coordinates(image[0].astype(float), where, order=3, mode="nearest")
        golden.case(f"nii-resample -s {','.join(map(str, new))} --interp cubic", src, golden.frame(name, np.diag([*new, 1.0]), image=y[None].astype(np.float32)), 2e-3)


def volume(x, affine):
    """[X,Y,Z] in RAS to SimpleITK, which is LPS."""
    im = sitk.GetImageFromArray(np.ascontiguousarray(x.transpose(2, 1, 0)))
    a = np.diag([-1, -1, 1, 1]) @ affine
    spacing = np.linalg.norm(a[:3, :3], axis=0)
    im.SetSpacing(spacing.tolist())
    im.SetOrigin(a[:3, 3].tolist())
    im.SetDirection((a[:3, :3] / spacing).ravel().tolist())
    return im


def like():
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    for name, perm, r in (("like", np.eye(3), np.eye(3)), ("like-turned", np.eye(3)[[2, 0, 1]] * [[1], [-1], [1]], np.eye(3)), ("like-oblique", np.eye(3)[[1, 0, 2]], turn)):
        a, b = np.eye(4), np.eye(4)
        a[:3, :3] = r @ np.diag((0.9, 1.1, 3))
        a[:3, 3] = (-10, 20, 5)
        image = rng.integers(-1000, 1000, (9, 7, 5)).astype(np.float32)
        label = blobs(image.shape, 3)
        b[:3, :3] = r @ perm @ np.diag((1.3, 0.8, 1.7))
        size = (11, 9, 7)
        # the target's centre a little off the source's, so that it reaches out on some sides
        b[:3, 3] = a[:3, :3] @ (np.array((9, 7, 5)) / 2) + a[:3, 3] - b[:3, :3] @ (np.array(size) / 2 + (1.13, -0.77, 0.31))
        ref = volume(np.zeros(size, np.float32), b)
        y = sitk.GetArrayFromImage(sitk.Resample(volume(image, a), ref, sitk.Transform(), sitk.sitkLinear, -1000.0)).transpose(2, 1, 0)
        lab = sitk.GetArrayFromImage(sitk.Resample(volume(label, a), ref, sitk.Transform(), sitk.sitkNearestNeighbor, 0)).transpose(2, 1, 0)
        src = golden.frame(name, a, image=image[None], label=label)
        golden.case("nii-resample --fill=-1000 --like LIKE", src, golden.frame(name, b, image=y[None].astype(np.float32), label=lab), 2e-3)


def zoomed():
    """As TotalSegmentator's change_spacing: images by order 3, labels by order 0."""
    for name, shape, old, new in (("zoom", (9, 7, 5), (0.9, 1.1, 3), (1.5, 1.5, 1.5)), ("zoom-small", (2, 3, 1), (2, 2, 2), (0.9, 1, 1.5))):
        image = rng.integers(-1000, 1000, shape).astype(np.int16)
        label = blobs(shape, 3)
        factor = np.array(old) / new
        src = golden.frame(name, np.diag([*old, 1.0]), image=image[None], label=label)
        y = zoom(image.astype(float), factor, order=3)
        stretch = [(n - 1) / (m - 1) if n > 1 else n / m for n, m in zip(shape, y.shape)]
        affine = np.diag([*(np.array(old) * stretch), 1.0])
        golden.case(f"nii-resample -s {','.join(map(str, new))} --align zoom --interp cubic", src,
                    golden.frame(name, affine, image=y[None].astype(np.float32), label=zoom(label, factor, order=0)), 2e-3)


nnunet_cases()
cubic()
like()
zoomed()
golden.write()
