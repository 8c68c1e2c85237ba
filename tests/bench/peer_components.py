"""peer_components.py MASK.nii.gz TRUTH.nii.gz PRED.nii.gz RUNS: the largest component (26) of MASK, those of 100 voxels, its holes filled, and the
Dice of two masks, the arrays being in memory.
Prints name, best wall ms and best processor ms."""
import sys
import time

import cc3d
import nibabel as nib
import numpy as np
import torch
from monai.metrics import DiceMetric
from scipy import ndimage

mask, truth, pred = (np.asfortranarray(np.asarray(nib.load(p).dataobj) != 0).astype(np.uint8, order="F") for p in sys.argv[1:4])


def best(work):
    wall, cpu = 1e9, 1e9
    for _ in range(int(sys.argv[4])):
        a, b = time.perf_counter(), time.process_time()
        work()
        wall, cpu = min(wall, time.perf_counter() - a), min(cpu, time.process_time() - b)
    return 1e3 * wall, 1e3 * cpu


def scipy_largest():
    lab, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    n = np.bincount(lab.ravel())
    n[0] = 0
    return lab == n.argmax()


def numpy_dice():
    t, p = truth != 0, pred != 0
    return 2 * (t & p).sum() / (t.sum() + p.sum())


t, p = (torch.from_numpy(np.ascontiguousarray(a))[None, None].float() for a in (truth, pred))
metric = DiceMetric()
for what, name, work in [("component", "cc3d.largest_k", lambda: cc3d.largest_k(mask, k=1, connectivity=26)), ("component", "scipy label + bincount", scipy_largest),
                         ("dust", "cc3d.dust", lambda: cc3d.dust(mask, threshold=100, connectivity=26)),
                         ("fill", "scipy binary_fill_holes", lambda: ndimage.binary_fill_holes(mask)),
                         ("dice", "MONAI DiceMetric", lambda: metric(p, t)), ("dice", "numpy", numpy_dice)]:
    print(what, *("%.1f" % ms for ms in best(work)), name, sep="\t")
