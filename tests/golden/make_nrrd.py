#!/usr/bin/env python3
"""Golden NRRD files, by SimpleITK and pynrrd: tests/golden/nrrd/ and its expected.tsv. Run by hand in a Python that has both.

expected.tsv, what SimpleITK reads back (for spacings alone ITK's rule is ours): file, x, y, z, channels, dtype once read, affine (12 numbers),
sha256 of the values as little-endian float32, x fastest, channel after channel. pynrrd must agree on the values."""
import os

import nrrd
import numpy as np
import SimpleITK as sitk

from frame import DTYPE, VOXELS, expected, voxels

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nrrd")
os.makedirs(OUT, exist_ok=True)
rng = np.random.default_rng(20261124)
OBLIQUE = np.array([[-0.68, 0.11, 0.52], [0.13, 0.69, -0.37], [-0.1, 0.09, 2.9]])  # columns: directions of x, y, z
ORIGIN = [31.25, -17.5, 101.0]
rows = []


def path(name):
    return os.path.join(OUT, name)


def values(dtype, shape):
    return voxels(rng, dtype, shape)


def expect(name, pynrrd=True):
    img = sitk.ReadImage(path(name))
    a = sitk.GetArrayFromImage(img)  # z,y,x or z,y,x,c
    c = img.GetNumberOfComponentsPerPixel()
    planar = np.moveaxis(a, -1, 0) if a.ndim == 4 else a[None]
    dtype = DTYPE[a.dtype.name]
    if pynrrd:
        p, h = nrrd.read(path(name), index_order="C")  # slowest axis first
        if p.ndim == 4 and np.isnan(h["space directions"][0]).all():  # the header's first axis is the fastest
            p = np.moveaxis(p, -1, 0)
        assert (p.reshape(planar.shape) == planar).all(), name
    m = np.array(img.GetDirection()).reshape(3, 3) * np.array(img.GetSpacing())
    affine = np.diag([-1, -1, 1]) @ np.c_[m, np.array(img.GetOrigin())] + 0.0
    rows.append(expected(name, img.GetSize(), c, dtype, affine, np.ascontiguousarray(planar).astype("<f4").tobytes()))


def by_pynrrd(name, v, space="left-posterior-superior", directions=None, **more):
    """v: x fastest is its last axis."""
    h = {"space": space, "space directions": OBLIQUE.T if directions is None else directions, "space origin": ORIGIN, **more}
    h = {k: x for k, x in h.items() if x is not None}
    nrrd.write(path(name), v, h, index_order="C")
    expect(name)


def by_hand(name, text, data, check=True):
    with open(path(name), "wb") as f:
        f.write(text.encode() + data)
    if check:
        expect(name, pynrrd=False)


for t in VOXELS:
    by_pynrrd(f"{t}.nrrd", values(t, (3, 4, 5)), encoding="raw", kinds=["domain"] * 3)
    by_pynrrd(f"{t}_big.nrrd", values(t, (3, 4, 5)).astype(np.dtype(t).newbyteorder(">")), "right-anterior-superior", encoding="gzip")
v = values("int16", (3, 5, 7))
by_pynrrd("las.nrrd", v, "left-anterior-superior", encoding="gzip")
by_pynrrd("short_names.nrrd", v, "RAS", encoding="raw")
by_pynrrd("units.nrrd", v, encoding="raw", **{"space units": ["mm", "mm", "mm"], "content": "a: b, c", "measurement frame": np.eye(3)})
by_pynrrd("spacings.nrrd", v, None, encoding="raw", **{"space directions": None, "space origin": None, "spacings": [0.7, 0.8, 2.5]})
NONE = [np.nan] * 3
by_pynrrd("list_first.nrrd", values("int16", (3, 5, 7, 2)), directions=np.array([NONE, *OBLIQUE.T]), encoding="gzip", kinds=["list", "domain", "domain", "domain"])
by_pynrrd("list_last.nrrd", values("float32", (3, 3, 5, 7)), directions=np.array([*OBLIQUE.T, NONE]), encoding="raw", kinds=["domain"] * 3 + ["list"])
by_pynrrd("detached.nhdr", v, encoding="raw")
by_pynrrd("detached_gz.nhdr", v, encoding="gzip")

# SimpleITK's own
i = sitk.GetImageFromArray(v)
i.SetSpacing((0.7, 0.8, 2.5))
i.SetOrigin((-12.5, 33.25, 7))
a, b = 0.2, -0.4
i.SetDirection((np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
                @ np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])).ravel())
for name, zip_it in (("itk.nrrd", False), ("itk_gz.nrrd", True), ("itk.nhdr", False), ("itk_gz.nhdr", True)):
    sitk.WriteImage(i, path(name), zip_it)
    expect(name)
j = sitk.GetImageFromArray(values("uint8", (3, 5, 7, 3)), isVector=True)
j.CopyInformation(i)
sitk.WriteImage(j, path("itk_vector.nrrd"), True)
expect("itk_vector.nrrd")
m = sitk.GetImageFromArray((rng.random((3, 5, 7)) > 0.5).astype("uint8"))
m.CopyInformation(i)
sitk.WriteImage(m, path("mask.seg.nrrd"), True)
expect("mask.seg.nrrd")

# old and odd forms
raw = v.astype("<i2").tobytes()
by_hand("old.nrrd", "NRRD0001\r\n# by hand\r\ntype: short\r\ndimension: 3\r\nsizes: 7 5 3\r\nspacings: 0.5 0.5 2\r\nendian: little\r\nencoding: raw\r\n\r\n", raw)
head = ("NRRD0004\ntype: short\ndimension: 3\nspace: LPS\nsizes: 7 5 3\nspace directions: (0.5, 0, 0) (0,0.5,0) (0,0,2)\n"
        "space origin: (1,2,3)\nkey one:=a: b\nendian: little\nencoding: raw\n")
with open(path("gzip_magic.raw"), "wb") as f:
    f.write(b"\x1f\x8b" + raw[2:])
with open(path("skipped.raw"), "wb") as f:
    f.write(b"two\nlines\n" + b"12345" + raw)
by_hand("gzip_magic.nhdr", head + "data file: gzip_magic.raw\n", b"")
by_hand("skipped.nhdr", head + "data file: skipped.raw\nline skip: 2\nbyte skip: 5\n\n", b"")
by_hand("last_bytes.nhdr", head + "datafile: skipped.raw\nbyteskip: -1\n", b"")

with open(path("expected.tsv"), "w") as f:
    f.write("\n".join(rows) + "\n")
