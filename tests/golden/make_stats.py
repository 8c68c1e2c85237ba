"""stats.ts, stats.tsv: labels measured by numpy (1.26 or 2), as seg-stats does it. make_stats.py, in this folder."""
import json

import numpy as np

from frame import frame

rng = np.random.default_rng(5)
a = 0.3
turned = np.array([[0.9 * np.cos(a), -1.1 * np.sin(a), 0, -40], [0.9 * np.sin(a), 1.1 * np.cos(a), 0.2, 17.5], [0, 0, -2.5, 300], [0, 0, 0, 1]])


def blobs(shape, labels, dtype):
    m = np.zeros(shape, dtype)
    for v in labels:
        lo = [rng.integers(0, n - 4) for n in shape]
        box = tuple(slice(i, i + rng.integers(2, 9)) for i in lo)
        m[box] = np.where(rng.random(m[box].shape) < 0.7, v, m[box])
    return m


def row(case, label, name, where, affine, value):
    at = np.argwhere(where)[:, ::-1]  # x, y, z
    points = [["nan"] * 3] * 3
    if len(at):
        points = [affine[:3, :3] @ at.mean(0) + affine[:3, 3], at.min(0), at.max(0)]
    ml = len(at) * abs(np.linalg.det(affine[:3, :3])) / 1000
    edge = len(at) and bool((at.min(0) == 0).any() or (at.max(0) == np.array(where.shape)[::-1] - 1).any())
    v = value[where].astype(np.float64)
    numbers = [v.mean(), v.std(), v.min(), *np.percentile(value[where], [5, 50, 95]), v.max()] if len(v) else [np.nan] * 7
    return "\t".join([case, str(label), name, str(len(at)), "%.6g" % ml] + [",".join("nan" if x == "nan" else "%.6g" % x for x in p) for p in points]
                     + ["yes" if edge else "no"] + ["nan" if np.isnan(x) else "%.6g" % x for x in numbers])


cases = [
    ("turned", blobs((11, 17, 23), [3, 1, 300, 7, 40000], np.uint16), rng.normal(-300, 400, (11, 17, 23)).astype(np.float32), turned, {}),
    ("named", blobs((9, 14, 12), [2, 1, 4], np.uint8), rng.integers(-1024, 3071, (9, 14, 12)).astype(np.int16), np.diag([2, -3, 1.5, 1.0]),
     {"0": "background", "1": "left lung", "2": "right lung", "5": "heart"}),
]
lines, stream = ["id\tlabel\tname\tvoxels\tml\tcentroid_mm\tbox_from\tbox_to\tborder\tmean\tsd\tmin\tp05\tmedian\tp95\tmax"], b""
for case, mask, image, affine, names in cases:
    meta = {"labels": json.dumps(names)} if names else {}
    stream += frame({"image": image, "label": mask}, niipipe=1, kind="volume", id=case, affine=" ".join(repr(float(v)) for v in affine.ravel()), **meta)
    for v in sorted({int(i) for i in np.unique(mask)} | {int(k) for k in names}):
        if v:
            lines.append(row(case, v, names.get(str(v), ""), mask == v, affine, image))
open("stats.ts", "wb").write(stream)
open("stats.tsv", "w").write("\n".join(lines) + "\n")
