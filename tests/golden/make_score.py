#!/usr/bin/env python3
"""score.ts and score_*.tsv: masks, and what seg-score must say of them, by numpy and scipy from the definitions: every surface vertex, every pair.
score_real_*.tsv: the same for the real tumours of shared/data against themselves moved by a voxel (numbers only).
Run by hand: python make_score.py [DATA] (numpy, scipy; nibabel for the real ones)."""
import os
import sys

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from frame import frame

HERE = os.path.dirname(os.path.abspath(__file__))
COLUMNS = ("dice iou truth_ml pred_ml volume_error volume_bias truth_3d_mm pred_3d_mm error_3d error_3d_clipped truth_axial_mm pred_axial_mm error_axial "
           "error_axial_clipped").split()
NAN = float("nan")


def points(m, by, axial):
    """Points of mask m [x,y,z] in voxels; with axial None those in space, else {position along that axis: points of the slice}."""
    m = np.pad(m, 1)
    if by == "centre":
        p = np.argwhere(m).astype(float)
    elif by == "corner":
        c = np.argwhere(m)
        off = np.array([[i, j, k] for i in (-.5, .5) for j in (-.5, .5) for k in (-.5, .5)])
        if axial is not None:
            off[:, axial] = 0
        p = np.unique((c[:, None] + off).reshape(-1, 3), axis=0)
    else:
        p = []
        for a in range(3):
            lo = np.moveaxis(m, a, 0)
            cut = np.argwhere(lo[1:] != lo[:-1]).astype(float)
            cut[:, 0] += .5
            p.append(np.insert(cut[:, 1:], a, cut[:, 0], axis=1))
        p = np.concatenate(p)
    if axial is None:
        return p
    return {s: p[p[:, axial] == s] for s in np.unique(p[:, axial])}


def far(p, affine):
    p = p @ affine[:3, :3].T
    if len(p) > 3000:
        try:
            p = p[ConvexHull(p).vertices]
        except QhullError:
            p = p[ConvexHull(p, qhull_options="QJ").vertices]
    return pdist(p).max() if len(p) > 1 else 0.0


def far_in_slice(p, affine):
    """p lies in a plane: thin it by a hull there when there are many."""
    if len(p) > 3000:
        q = p @ affine[:3, :3].T
        u, s, vt = np.linalg.svd(q - q.mean(0), full_matrices=False)
        p = p[ConvexHull((q - q.mean(0)) @ vt[:2].T).vertices]
    return far(p, affine)


def diameters(m, affine, by, whole):
    if not m.any():
        return 0.0, 0.0
    along = np.abs(affine[2, :3]) / np.linalg.norm(affine[:3, :3], axis=0)
    axis = 2 - int(np.argmax(along[::-1].round(6)))
    lab, n = ndimage.label(m, np.ones((3, 3, 3)))
    parts = [m] if whole else [lab == i for i in range(1, n + 1)]
    return (max(far(points(p, by, None), affine) for p in parts),
            max(far_in_slice(q, affine) for p in parts for q in points(p, by, axis).values()))


def relative(p, t, empty):
    return (p - t) / t if t else 0.0 if empty == "one" and p == 0 else NAN


def score(t, p, affine, by="mesh", whole=False, empty="nnunet"):
    both, nt, np_ = int((t & p).sum()), int(t.sum()), int(p.sum())
    dice = 2 * both / (nt + np_) if nt + np_ else 1.0 if empty == "one" else NAN
    iou = both / (nt + np_ - both) if nt + np_ else dice
    if not nt and empty == "monai":
        dice = iou = NAN
    ml = abs(np.linalg.det(affine[:3, :3])) / 1000
    t3, ta = diameters(t, affine, by, whole)
    p3, pa = diameters(p, affine, by, whole)
    bias, e3, ea = relative(np_, nt, empty), abs(relative(p3, t3, empty)), abs(relative(pa, ta, empty))
    clip = lambda e: min(e, 1.0) if e == e else NAN
    return [dice, iou, nt * ml, np_ * ml, abs(bias), bias, t3, p3, e3, clip(e3), ta, pa, ea, clip(ea)]


def number(v):
    return "nan" if v != v else "%.6g" % v


def table(cases, path, union=False, **how):
    rows = []
    for name, t, p, affine in cases:
        values = [1] if union else sorted(set(np.unique(t)) | set(np.unique(p)) - {0}) or [1]
        for v in [v for v in values if v] or [1]:
            rows.append((name, int(v), score(t != 0, p != 0, affine, **how) if union else score(t == v, p == v, affine, **how)))
    with open(path, "w") as f:
        print("id", "label", *COLUMNS, sep="\t", file=f)
        for name, v, s in rows:
            print(name, v, *map(number, s), sep="\t", file=f)
        for label in sorted({r[1] for r in rows}):
            a = np.array([r[2] for r in rows if r[1] == label])
            some = ~np.isnan(a)
            mean = [c[k].sum() / k.sum() if k.any() else NAN for c, k in zip(a.T, some.T)]
            median = [np.median(c[k]) if k.any() else NAN for c, k in zip(a.T, some.T)]
            print("mean", label, *map(number, mean), sep="\t", file=f)
            print("median", label, *map(number, median), sep="\t", file=f)
            print("count", label, *some.sum(0), sep="\t", file=f)


def affine(spacing, origin=(0, 0, 0), turn=np.eye(3)):
    a = np.eye(4)
    a[:3, :3] = turn @ np.diag(spacing)
    a[:3, 3] = origin
    return a


def ball(shape, c, r, spacing):
    g = np.indices(shape).astype(float)
    return sum(((g[i] - c[i]) * spacing[i]) ** 2 for i in range(3)) <= r * r


def made_up():
    """id, truth, prediction [x,y,z] uint8, affine"""
    rng = np.random.default_rng(11)
    s = (0.7, 0.8, 3.0)
    t = ball((40, 37, 19), (18, 17, 8), 9.3, s)
    yield "moved", t, np.roll(t, 1, 0), affine(s)
    yield "ball", t, ball(t.shape, (19, 17, 8), 7.1, s), affine(s, (-100, 20, 3))
    lps = np.diag([-1, -1, 1])
    noise = lambda shape, d, k: ((rng.random(shape) < d) * rng.integers(1, k + 1, shape)).astype(np.uint8)
    yield "specks", noise((13, 11, 9), .05, 2), noise((13, 11, 9), .05, 2), affine((.977, .977, 3), turn=lps)
    yield "dense", noise((11, 13, 7), .6, 3), noise((11, 13, 7), .5, 3), affine((1.5, .5, 1), turn=lps)
    c, d = np.cos(.2), np.sin(.2)
    yield "oblique", noise((17, 9, 12), .1, 1), noise((17, 9, 12), .1, 1), affine((.9, 1.1, 2), turn=np.array([[1, 0, 0], [0, c, -d], [0, d, c]]))
    shear = affine((1, 1, 2))
    shear[1, 2] = .6
    yield "shear", noise((9, 12, 10), .15, 1), noise((9, 12, 10), .15, 1), shear
    turned = np.array([[0, 1, 0], [0, 0, 1], [-1, 0, 0]])
    yield "sagittal", noise((8, 14, 11), .04, 1), noise((8, 14, 11), .04, 1), affine((2.5, .8, .9), turn=turned)
    yield "coronal", noise((14, 8, 11), .04, 2), noise((14, 8, 11), .04, 1), affine((.8, 2.5, .9), turn=turned.T @ np.diag([1, -1, 1]))
    dot = np.zeros((3, 1, 2), np.uint8)
    dot[1, 0, 1] = 1
    none = np.zeros_like(dot)
    a = affine((2, 3, 5))
    yield "dot", dot, dot, a
    yield "missed", dot, none, a
    yield "invented", none, dot, a
    yield "nothing", none, none, a
    slant = np.zeros((30, 6, 12), np.uint8)
    for i in range(10):
        slant[2 * i:2 * i + 5, 2:4, i + 1] = 1
    yield "slant", slant, np.roll(slant, 1, 1), affine((1, 1, 1))


def real(data):
    import nibabel as nib
    for name in ("LUNG1-001/LUNG1-001_gtv", "LUNG1-002/LUNG1-002_gtv", "pat_3/pat_3_gtv"):
        im = nib.load(f"{data}/ct/{name}.nii.gz")
        t = np.asarray(im.dataobj) != 0
        yield name.split("/")[1], t, np.roll(t, 1, 0), im.affine


def main():
    cases = [(n, np.asarray(t, np.uint8), np.asarray(p, np.uint8), a) for n, t, p, a in made_up()]
    with open(f"{HERE}/score.ts", "wb") as f:
        for n, t, p, a in cases:
            f.write(frame({"label": t.transpose(2, 1, 0), "pred": p.transpose(2, 1, 0).astype(np.int16)}, niipipe=1, kind="volume", id=n,
                          affine=" ".join(repr(float(v)) for v in a.ravel())))
    for by in ("mesh", "centre", "corner"):
        table(cases, f"{HERE}/score_{by}.tsv", by=by)
        table(cases, f"{HERE}/score_{by}_whole.tsv", by=by, whole=True)
    table(cases, f"{HERE}/score_union.tsv", union=True)
    for empty in ("monai", "one"):
        table(cases, f"{HERE}/score_{empty}.tsv", empty=empty)
    if len(sys.argv) > 1:
        table(list(real(sys.argv[1])), f"{HERE}/score_real.tsv")


main()
