#!/usr/bin/env python3
"""score.ts and score_*.tsv: masks, and what seg-score must say of them. Overlap, volumes, diameters: by numpy and scipy from the definitions, every
vertex and every pair. score_peer_*.tsv: surfaces by MONAI and by DeepMind's surface-distance, lesions by panoptica, overlap by MONAI.
score_real*.tsv: the same for the real tumours of shared/data against themselves moved by a voxel (numbers only).
score_a.tsv, score_b.tsv, score_compare.tsv: two tables, and how they differ by scipy.
Run by hand: python make_score.py [DATA] (numpy, scipy, monai, surface-distance, panoptica, connected-components-3d; nibabel for the real ones)."""
import os
import sys
import warnings

import numpy as np
import torch
from monai import metrics
from scipy import ndimage, stats
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from frame import frame

HERE = os.path.dirname(os.path.abspath(__file__))
COLUMNS = ("dice iou truth_ml pred_ml volume_error volume_bias truth_3d_mm pred_3d_mm error_3d error_3d_clipped truth_axial_mm pred_axial_mm error_axial "
           "error_axial_clipped sensitivity precision volume_diff_ml").split()
PEER = "dice iou hd_mm hd95_mm assd_mm masd_mm nsd_0.5mm nsd_2mm lesion_tp lesion_fp lesion_fn lesion_f1 sq pq".split()
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
    none = 1.0 if empty == "one" and not nt + np_ else NAN
    return [dice, iou, nt * ml, np_ * ml, abs(bias), bias, t3, p3, e3, clip(e3), ta, pa, ea, clip(ea), both / nt if nt else none, both / np_ if np_ else none,
            (np_ - nt) * ml]


# ---- peers ----

def by_monai(t, p, spacing):
    a, b = (torch.from_numpy(np.ascontiguousarray(m))[None, None].float() for m in (p, t))
    one = lambda v: float(v.ravel()[0])
    hd = [one(metrics.compute_hausdorff_distance(a, b, include_background=True, percentile=q, spacing=spacing)) for q in (None, 95)]
    if np.isinf(hd[0]):
        hd[1] = hd[0]  # torch.quantile makes nan of infinities
    asd = lambda u, v, both: one(metrics.compute_average_surface_distance(u, v, include_background=True, symmetric=both, spacing=spacing))
    nsd = [one(metrics.compute_surface_dice(a, b, [tau], include_background=True, spacing=spacing)) for tau in (.5, 2)]
    return hd + [asd(a, b, True), (asd(a, b, False) + asd(b, a, False)) / 2] + nsd


def by_deepmind(t, p, spacing):
    np.Inf, np.NaN = np.inf, np.nan  # the package is older than numpy 2
    import surface_distance
    if not t.any() or not p.any():
        return by_monai(t, p, spacing)
    d = surface_distance.compute_surface_distances(t, p, spacing)
    total = [d["surfel_areas_gt"].sum(), d["surfel_areas_pred"].sum()]
    mean = surface_distance.compute_average_surface_distance(d)
    return ([surface_distance.compute_robust_hausdorff(d, q) for q in (100, 95)] + [np.dot(mean, total) / sum(total), sum(mean) / 2] +
            [surface_distance.compute_surface_dice_at_tolerance(d, tau) for tau in (.5, 2)])


def by_panoptica(t, p):
    from panoptica import CCABackend, ConnectedComponentsInstanceApproximator, InputType, NaiveThresholdMatching, Panoptica_Evaluator
    if not t.any() and not p.any():
        return [0, 0, 0, NAN, NAN, NAN]
    e = Panoptica_Evaluator(InputType.SEMANTIC, ConnectedComponentsInstanceApproximator(CCABackend.cc3d), NaiveThresholdMatching(matching_threshold=.5), verbose=False)
    r = e.evaluate(p.astype(np.uint8), t.astype(np.uint8))
    r = next(iter(r.values())).to_dict()
    tp, fp, fn = (int(r[k]) for k in ("tp", "fp", "fn"))
    return [tp, fp, fn, r["rq"] if tp else 0.0, r["sq"] if tp else NAN, r["pq"] if tp else 0.0]


def peers(cases, path, surface):
    with open(path, "w") as f:
        print("id", "label", *PEER, sep="\t", file=f)
        for name, t, p, affine in cases:
            spacing = [float(v) for v in np.linalg.norm(affine[:3, :3], axis=0)]
            for v in sorted((set(np.unique(t)) | set(np.unique(p))) - {0}) or [1]:
                a, b = t == v, p == v
                x, y = (torch.from_numpy(np.ascontiguousarray(m))[None, None] for m in (b, a))
                overlap = [float(g(x, y, include_background=True, ignore_empty=False)) if a.any() or b.any() else NAN
                           for g in (metrics.compute_dice, metrics.compute_iou)]
                print(name, int(v), *("%.9g" % k for k in overlap + surface(a, b, spacing) + by_panoptica(a, b)), sep="\t", file=f)


# ---- summaries ----

def philox(seed, stream, index, blocks):
    """Words [index, block, 4] of Philox 4x32-10."""
    c = [np.broadcast_to(v, (len(index), blocks)).astype(np.uint64) for v in
         (np.arange(blocks), stream, np.asarray(index)[:, None] & 0xffffffff, np.asarray(index)[:, None] >> 32)]
    k0, k1, low = seed & 0xffffffff, seed >> 32, np.uint64(0xffffffff)
    for _ in range(10):
        a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(b >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), b & low, (a >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), a & low]
        k0, k1 = (k0 + 0x9E3779B9) & 0xffffffff, (k1 + 0xBB67AE85) & 0xffffffff
    return np.stack(c, -1)


def interval(v, resamples=2000, seed=0):
    """95 % of the means of resamples: number k of resample i is element u64 mod n, two words each (stream 6: RNG_BOOTSTRAP)."""
    n = len(v)
    w = philox(seed, 6, np.arange(resamples), (n + 1) // 2).reshape(resamples, -1)[:, :2 * n]
    at = ((w[:, 0::2] << np.uint64(32) | w[:, 1::2]) % np.uint64(n)).astype(int)
    return np.percentile(np.cumsum(v[at], 1)[:, -1] / n, [2.5, 97.5])


def summary(v):
    """mean, median, sd, q1, q3, ci_low, ci_high, count"""
    if not len(v):
        return [NAN] * 7 + [0]
    mean = np.cumsum(v)[-1] / len(v)
    some = [np.sqrt(((v - mean) ** 2).sum() / (len(v) - 1)), *interval(v)] if len(v) > 1 else [NAN] * 3
    return [mean, np.median(v), some[0], np.percentile(v, 25), np.percentile(v, 75), some[1], some[2], len(v)]


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
            columns = [summary(c[~np.isnan(c)]) for c in a.T]
            for k, what in enumerate("mean median sd q1 q3 ci_low ci_high count".split()):
                print(what, label, *(number(c[k]) for c in columns), sep="\t", file=f)


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


def compare():
    """Two tables of 9 and of 60 cases, labels 1 and 2: with ties, zeros, nan; and how they differ."""
    rng = np.random.default_rng(5)
    names = ["even", "tied", "same", "gap"]
    tables = [[], []]
    for label, n in (1, 9), (2, 60), (3, 20):
        a = rng.random((n, 4)).round(6)
        b = a + rng.normal(.05, .1, (n, 4)).round(6)
        a[:, 1], b[:, 1] = a[:, 1].round(1), a[:, 1].round(1) + rng.integers(-2, 4, n) / 8
        b[:, 2] = a[:, 2]
        a[::4, 3] = NAN
        b[1, 3] = NAN
        for i in range(n):
            for t, v in zip(tables, (a, b)):
                t.append(("case%02d" % i, label, v[i]))
    for which, t in zip("ab", tables):
        with open(f"{HERE}/score_{which}.tsv", "w") as f:
            print("id", "label", *names, sep="\t", file=f)
            for name, label, v in (t if which == "a" else t[::-1]):
                print(name, label, *map(number, v), sep="\t", file=f)
            print("mean\t1" + "\t0" * 4, file=f)
    with open(f"{HERE}/score_compare.tsv", "w") as f:
        print("metric label n mean_a mean_b difference median_difference ci_low ci_high w p".replace(" ", "\t"), file=f)
        for label in 1, 2, 3:
            for k, name in enumerate(names):
                rows = sorted((x[0], float(number(x[2][k])), float(number(y[2][k]))) for x, y in zip(*tables) if x[1] == label)
                a, b = (np.array([r[i] for r in rows]) for i in (1, 2))
                some = ~np.isnan(a) & ~np.isnan(b)
                a, b = a[some], b[some]
                s = summary(b - a)
                w = stats.wilcoxon(b - a)
                p = 1.0 if (a == b).all() else w.pvalue
                print(name, label, len(a), *map(number, (a.mean(), b.mean(), s[0], s[1], s[5], s[6], w.statistic, p)), sep="\t", file=f)


def main():
    warnings.simplefilter("ignore")
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
    right = [c for c in cases if c[0] != "shear"]
    peers(right, f"{HERE}/score_peer_monai.tsv", by_monai)
    peers(right, f"{HERE}/score_peer_deepmind.tsv", by_deepmind)
    compare()
    if len(sys.argv) > 1:
        table(list(real(sys.argv[1])), f"{HERE}/score_real.tsv")
        peers(list(real(sys.argv[1])), f"{HERE}/score_peer_real_monai.tsv", by_monai)
        peers(list(real(sys.argv[1])), f"{HERE}/score_peer_real_deepmind.tsv", by_deepmind)


main()
