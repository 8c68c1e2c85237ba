#!/usr/bin/env python3
"""Golden MetaImage files, by SimpleITK: tests/golden/meta/ and its expected.tsv. Run by hand in a Python that has it.

expected.tsv, what SimpleITK reads back: file, x, y, z, channels, dtype once read, affine (12 numbers), sha256 of the values as little-endian float32,
x fastest, channel after channel. A fourth axis counts as channels.

make_meta.py N DIR: N more of them at random into DIR, for a comparison that is not kept."""
import os
import sys

import numpy as np
import SimpleITK as sitk

from frame import DTYPE, VOXELS, expected, voxels

OUT = sys.argv[2] if len(sys.argv) > 2 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "meta")
os.makedirs(OUT, exist_ok=True)
rng = np.random.default_rng(20261126)
MET = {"int8": "CHAR", "uint8": "UCHAR", "int16": "SHORT", "uint16": "USHORT", "int32": "INT", "uint32": "UINT", "int64": "LONG_LONG",
       "uint64": "ULONG_LONG", "float32": "FLOAT", "float64": "DOUBLE"}
rows = []


def path(name):
    return os.path.join(OUT, name)


def expect(name):
    img = sitk.ReadImage(path(name))
    a = sitk.GetArrayFromImage(img)  # (t,)z,y,x(,c)
    c, n = img.GetNumberOfComponentsPerPixel(), img.GetDimension()
    planar = np.moveaxis(a, -1, 0) if c > 1 else a if n == 4 else a[None]
    if n == 2:
        planar = planar[:, None]
    if n == 4 and c > 1:  # the fourth axis is of one
        planar = planar[:, 0]
    k = min(n, 3)
    affine = np.eye(4)
    affine[:k, :k] = (np.array(img.GetDirection()).reshape(n, n) * np.array(img.GetSpacing()))[:k, :k]
    affine[:k, 3] = img.GetOrigin()[:k]
    affine = np.diag([-1, -1, 1, 1]) @ affine + 0.0
    rows.append(expected(name, planar.shape[:0:-1], planar.shape[0], DTYPE[a.dtype.name], affine, np.ascontiguousarray(planar).astype("<f4").tobytes()))


def rotation(n):
    """A rotation or a reflection in space; a fourth axis stays apart."""
    m = np.eye(n)
    k = min(n, 3)
    m[:k, :k] = np.linalg.qr(rng.normal(size=(k, k)))[0]
    return m


def by_itk(name, v, vector=False, packed=False):
    i = sitk.GetImageFromArray(v, isVector=vector)
    n = i.GetDimension()
    i.SetSpacing(rng.uniform(0.3, 4, n).round(int(rng.integers(1, 17))).tolist())
    i.SetOrigin(rng.uniform(-400, 400, n).round(int(rng.integers(0, 17))).tolist())
    i.SetDirection(rotation(n).ravel().tolist())
    sitk.WriteImage(i, path(name), packed)
    expect(name)


def by_hand(name, lines, data, **files):
    with open(path(name), "wb") as f:
        f.write("\n".join(lines).encode() + b"\n" + data)
    for other, content in files.items():
        with open(path(other + ".raw"), "wb") as f:
            f.write(content)
    expect(name)


def many(n):
    for i in range(n):
        dtype, size = VOXELS[i % len(VOXELS)], tuple(int(k) for k in rng.integers(1, 9, 3))
        shape = [size, size, size, size + (int(rng.integers(2, 5)),), (int(rng.integers(2, 5)),) + size][int(rng.integers(5))]
        by_itk(f"r{i}.{'mhd' if rng.random() < 0.5 else 'mha'}", voxels(rng, dtype, shape), vector=len(shape) == 4 and rng.random() < 0.5,
               packed=bool(rng.random() < 0.5))
        h = rotation(3)
        v = voxels(rng, dtype, size)
        by_hand(f"b{i}.mha", ["ObjectType = Image", "NDims = 3", "BinaryData = True", f"{'BinaryData' if i % 3 else 'Element'}ByteOrderMSB = True",
                f"{['TransformMatrix', 'Rotation', 'Orientation'][i % 3]} = " + " ".join("%.17g" % x for x in h.ravel()),
                f"{['Offset', 'Position', 'Origin', 'ImagePosition'][i % 4]} = " + " ".join("%.17g" % x for x in rng.uniform(-400, 400, 3)),
                "CenterOfRotation = 5 6 7", f"AnatomicalOrientation = {['RAI', 'LPS', '???'][i % 3]}",
                f"Element{['Spacing', 'Size'][i % 2]} = " + " ".join("%.17g" % x for x in rng.uniform(0.3, 4, 3) * rng.choice([1, 1, -1], 3)),
                "DimSize = " + " ".join(map(str, size[::-1])), f"ElementType = MET_{MET[dtype]}", "ElementDataFile = LOCAL"],
                v.astype(v.dtype.newbyteorder(">")).tobytes())


if len(sys.argv) > 2:
    many(int(sys.argv[1]))
else:
    for t in VOXELS:
        by_itk(f"{t}.mha", voxels(rng, t, (2, 3, 4)))
        by_itk(f"{t}_z.mha", voxels(rng, t, (3, 2, 4)), packed=True)
    v = voxels(rng, "int16", (3, 4, 5))
    by_itk("itk.mhd", v)
    by_itk("itk_z.mhd", v, packed=True)
    by_itk("vector.mha", voxels(rng, "uint8", (3, 4, 5, 3)), vector=True)
    by_itk("vector_z.mha", voxels(rng, "float32", (3, 4, 5, 2)), vector=True, packed=True)
    by_itk("four.mha", voxels(rng, "int16", (2, 3, 4, 5)))
    by_itk("flat.mha", voxels(rng, "uint8", (4, 5)))
    i = sitk.GetImageFromArray((rng.random((3, 4, 5)) > 0.5).astype("uint8"))
    i.CopyInformation(sitk.ReadImage(path("itk.mhd")))
    sitk.WriteImage(i, path("mask.mha"), True)
    expect("mask.mha")
    raw, big = v.astype("<i2").tobytes(), v.astype(">i2").tobytes()
    grid = ["TransformMatrix = 0 1 0 0 0 -1 1 0 0", "DimSize = 5 4 3"]
    short = ["ElementSpacing = 0.5 0.75 2", "ElementType = MET_SHORT"]
    by_hand("luna.mhd", ["ObjectType = Image\r", "NDims = 3\r", "BinaryData = True\r", "BinaryDataByteOrderMSB = False\r", "CompressedData = False\r",
            "TransformMatrix = 1 0 0 0 1 0 0 0 1\r", "Offset = -195 -195 -378\r", "CenterOfRotation = 0 0 0\r", "AnatomicalOrientation = RAI\r",
            "ElementSpacing = 0.76171898841857999 0.76171898841857999 2.5\r", "DimSize = 5 4 3\r", "ElementType = MET_SHORT\r",
            "ElementDataFile = luna.raw\r"], b"", luna=raw)
    by_hand("big.mha", ["ObjectType = Image", "NDims = 3", "ElementByteOrderMSB = True", "Position = 1 2 3", *grid, *short, "ElementDataFile = Local"], big)
    by_hand("odd.mha", ["Comment = a: b = c", "  ObjectType: Image", "", "NDims : 3", "Name = x", "Unknown Key = y", "Modality = MET_MOD_CT", *grid,
            "ElementSize = 0.5 0.75 -2", "ElementType = MET_LONG", "BinaryDataByteOrderMSB = 0", "Origin = 1e1 2 3", "ElementDataFile=LOCAL"],
            v.astype("<i4").tobytes())
    skipped = ["ObjectType = Image", "NDims = 3", *grid, *short]
    by_hand("skipped.mhd", [*skipped, "HeaderSize = 7", "ElementDataFile = skipped.raw"], b"", skipped=b"\x1f\x8bskip!" + raw)
    by_hand("last_bytes.mhd", [*skipped, "HeaderSize = -1", "ElementDataFile = skipped.raw"], b"")
    by_hand("negative.mha", ["NDims = 3", "ElementSpacing = 1 -2 3", "DimSize = 5 4 3", "ElementType = MET_ULONG", "ElementDataFile = LOCAL"],
            v.astype("<u4").tobytes())

with open(path("expected.tsv"), "w") as f:
    f.write("\n".join(rows) + "\n")
