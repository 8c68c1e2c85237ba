"""peer_score.py calls TRUTH.nii.gz PRED.nii.gz RUNS: Dice, surface distances and diameters of two masks, the arrays being in memory. Prints what, best
wall ms, best processor ms, name.
peer_score.py pairs TRUTHS PREDS OUT: Dice, HD95, ASSD and NSD of all pairs of two directories as a script of MONAI's metrics does it; the time after the
imports into OUT (wall ms, processor ms)."""
import os
import sys
import time

import nibabel as nib
import numpy as np
import torch
from monai import metrics

torch.set_num_threads(2)
TAU = 2.0


def tensors(*paths):
    images = [nib.load(p) for p in paths]
    return [torch.from_numpy(np.asarray(i.dataobj) != 0)[None, None] for i in images], [float(v) for v in images[0].header.get_zooms()]


def surfaces(p, t, spacing):
    return (metrics.compute_hausdorff_distance(p, t, include_background=True, percentile=95, spacing=spacing),
            metrics.compute_average_surface_distance(p, t, include_background=True, symmetric=True, spacing=spacing),
            metrics.compute_surface_dice(p, t, [TAU], include_background=True, spacing=spacing))


def best(work, runs):
    wall, cpu = 1e18, 1e18
    for _ in range(runs):
        a, b = time.perf_counter(), time.process_time()
        work()
        wall, cpu = min(wall, time.perf_counter() - a), min(cpu, time.process_time() - b)
    return "%.1f\t%.1f" % (1e3 * wall, 1e3 * cpu)


def calls(truth, pred, runs):
    (t, p), spacing = tensors(truth, pred)
    tf, pf = t.float(), p.float()
    tn, pn = (np.ascontiguousarray(m[0, 0].numpy().T) for m in (t, p))
    ml = float(np.prod(spacing)) / 1000

    def numpy():
        a, b = tn.sum(), pn.sum()
        return 2 * (tn & pn).sum() / (a + b), a * ml, b * ml

    def deepmind():
        d = surface_distance.compute_surface_distances(tn, pn, spacing[::-1])
        return (surface_distance.compute_robust_hausdorff(d, 95), surface_distance.compute_average_surface_distance(d),
                surface_distance.compute_surface_dice_at_tolerance(d, TAU))

    np.Inf, np.NaN = np.inf, np.nan  # surface-distance is older than numpy 2
    print("overlap", best(lambda: metrics.compute_dice(pf, tf, include_background=True), runs), "MONAI compute_dice (call)", sep="\t")
    print("overlap", best(numpy, runs), "numpy Dice and volumes (call)", sep="\t")
    print("monai", best(lambda: surfaces(pf, tf, spacing), runs), "MONAI (calls)", sep="\t")
    try:
        import surface_distance
        print("deepmind", best(deepmind, runs), "surface-distance (call)", sep="\t")
    except ImportError:
        pass
    try:
        import SimpleITK as sitk
        from radiomics import setVerbosity, shape
        setVerbosity(60)
        mask = sitk.Cast(sitk.ReadImage(truth), sitk.sitkUInt8)

        def diameters():
            s = shape.RadiomicsShape(mask, mask, label=1)
            return s.getMaximum3DDiameterFeatureValue(), s.getMaximum2DDiameterSliceFeatureValue()
        print("diameter", best(diameters, 1), "pyradiomics shape (call)", sep="\t")
    except ImportError:
        pass


def pairs(truths, preds, out):
    begun = time.perf_counter(), time.process_time()
    for name in sorted(os.listdir(truths)):
        (t, p), spacing = tensors(f"{truths}/{name}", f"{preds}/{name}")
        print(name, float(metrics.compute_dice(p.float(), t.float(), include_background=True)), *map(float, surfaces(p.float(), t.float(), spacing)), file=sys.stderr)
    with open(out, "w") as f:
        print("%.1f\t%.1f" % (1e3 * (time.perf_counter() - begun[0]), 1e3 * (time.process_time() - begun[1])), file=f)


calls(*sys.argv[2:4], int(sys.argv[4])) if sys.argv[1] == "calls" else pairs(*sys.argv[2:5])
