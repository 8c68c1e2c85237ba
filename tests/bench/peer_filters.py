"""What people call for the same work: best of N, ms, the call alone (imports and reading are not counted). A line each: name and time."""
import sys
import time

import nibabel
import numpy as np
import SimpleITK as sitk
from skimage.transform import resize

path, runs = sys.argv[1], int(sys.argv[2])
a = np.asarray(nibabel.load(path).dataobj)
im = sitk.ReadImage(path)
turned = sitk.ReadImage(sys.argv[3])


def best(name, fn):
    times = []
    for _ in range(runs):
        t = time.perf_counter()
        fn()
        times.append(time.perf_counter() - t)
    print(name, round(min(times) * 1e3, 2))


def zscore():
    v = a.astype(np.float32)
    return (v - v.mean()) / v.std()


def nonzero():
    v = a.astype(np.float32)
    m = v != 0
    x = v[m]
    v[m] = (x - x.mean()) / x.std()
    return v


def crop():
    m = a > -500
    box = []
    for k in range(3):
        i = np.where(m.any(tuple(j for j in range(3) if j != k)))[0]
        box.append(slice(i[0], i[-1] + 1))
    return np.ascontiguousarray(a[tuple(box)])


def resample(spacing):
    size = [int(round((n - 1) * s / t + 1)) for n, s, t in zip(im.GetSize(), im.GetSpacing(), spacing)]
    return lambda: sitk.Resample(im, size, sitk.Transform(), sitk.sitkLinear, im.GetOrigin(), spacing, im.GetDirection(), 0.0, sitk.sitkFloat32)


best("numpy-window", lambda: (np.clip(a, -1024, 325).astype(np.float32) + 1024) / 1349)
best("numpy-zscore", zscore)
best("numpy-nonzero", nonzero)
best("numpy-crop", crop)
best("sitk-resample", resample([1.5, 1.5, 1.5]))
best("sitk-1x1x3", resample([1.0, 1.0, 3.0]))
best("sitk-linear", lambda: sitk.Resample(im, turned, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32))
best("sitk-nearest", lambda: sitk.Resample(im, turned, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0))
best("sitk-bspline", lambda: sitk.Resample(im, turned, sitk.Transform(), sitk.sitkBSpline, 0.0, sitk.sitkFloat32))
small = [round(n * s / 3) for n, s in zip(im.GetSize(), im.GetSpacing())]
best("skimage-3mm", lambda: resize(a.astype(np.float32), small, 1, mode="edge", anti_aliasing=True))
