#!/usr/bin/env python3
"""Golden NIfTI files, by nibabel and SimpleITK: tests/golden/nifti/ and its expected.tsv. Run by hand in a Python that has both.

expected.tsv: file, x, y, z, channels, dtype once read, affine (12 numbers), sha256 of the values as little-endian float32, x fastest."""
import gzip
import os

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from frame import DTYPE, VOXELS, expected, voxels

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nifti")
os.makedirs(OUT, exist_ok=True)
rng = np.random.default_rng(20261123)
rows = []
OBLIQUE = np.array([[-0.68, 0.11, 0.52, 31.25], [0.13, 0.69, -0.37, -17.5], [-0.1, 0.09, 2.9, 101.0], [0, 0, 0, 1]])


def rotation(a, b, c):
    """Rotation about x, then y, then z."""
    ca, sa, cb, sb, cc, sc = np.cos(a), np.sin(a), np.cos(b), np.sin(b), np.cos(c), np.sin(c)
    return (np.array([[cc, -sc, 0], [sc, cc, 0], [0, 0, 1]]) @ np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])
            @ np.array([[1, 0, 0], [0, ca, -sa], [0, sa, ca]]))


def values(dtype, shape):
    return voxels(rng, dtype, shape)


def expect(name):
    """What nibabel says of the file."""
    img = nib.load(os.path.join(OUT, name))
    scaled = img.dataobj.slope != 1 or img.dataobj.inter != 0
    shape = list(img.shape) + [1] * (3 - len(img.shape))
    channels = int(np.prod(shape[3:])) if len(shape) > 3 else 1
    dtype = "F32" if scaled else DTYPE[img.get_data_dtype().newbyteorder("=").name]
    data = img.get_fdata(dtype=np.float64).astype("<f4").tobytes(order="F")
    rows.append(expected(name, shape[:3], channels, dtype, img.affine, data))


def save(name, data, affine=OBLIQUE, cls=nib.Nifti1Image, endian="<", slope=None, q=None, s=None, **fields):
    hdr = cls.header_class(endianness=endian)
    hdr.set_data_dtype(data.dtype)
    img = cls(data, None, hdr)
    img.set_sform(None if s is None else affine, 0 if s is None else s)
    img.set_qform(None if q is None else affine, 0 if q is None else q)
    for key, value in fields.items():
        img.header[key] = value
    path = os.path.join(OUT, name)
    if slope:  # nibabel scales on writing: put the fields into the finished file
        img.header.set_slope_inter(1, 0)
    if name.endswith(".gz"):
        with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as out:
            out.write(img.to_bytes())
    else:
        nib.save(img, path)
    if slope:
        assert cls is nib.Nifti1Image and not name.endswith(".gz")
        with open(path, "r+b") as out:
            out.seek(112)
            out.write(np.array(slope, endian + "f4").tobytes())
    expect(name)


for t in VOXELS:
    v = values(t, (5, 4, 3))
    save(f"{t}.nii", v, s=2)
    save(f"{t}_big.nii.gz", v, q=1, affine=np.vstack([np.c_[rotation(0.3, -0.2, 1.1) @ np.diag([0.7, 0.7, 3]), [4, 5, 6]], [0, 0, 0, 1]]), endian=">")
v = values("int16", (7, 5, 3))
save("nifti2.nii", v, cls=nib.Nifti2Image, s=1, q=1)
save("nifti2_big.nii", v, cls=nib.Nifti2Image, s=4, endian=">")
save("pair.hdr", v, cls=nib.Nifti1Pair, s=3)
save("pair2.hdr", v, cls=nib.Nifti2Pair, s=3)
save("four.nii", values("int16", (5, 4, 3, 2)), s=1, xyzt_units=10)
save("five.nii", values("float32", (5, 4, 3, 1, 3)), s=1, intent_code=1007)
save("two.nii", values("uint8", (6, 5)), s=1)
save("one.nii", values("uint8", (1, 1, 1)), s=1)
save("slope.nii", v, s=1, slope=(0.5, -1024))
save("slope_big.nii", v, s=1, slope=(7.1098041534, -1024), endian=">")
save("slope_f64.nii", values("float64", (3, 3, 3)), s=1, slope=(-3, 0.25))
save("slope_u64.nii", values("uint64", (3, 3, 3)), s=1, slope=(2, 1))
save("slope_0.nii", v, s=1, slope=(0, 5))
save("neither.nii", v, pixdim=[1, 0.7, 0.8, 2.5, 1, 1, 1, 1])
save("left.nii", v, q=2, affine=np.array([[-0.7, 0, 0, 10], [0, 0.7, 0, 20], [0, 0, 3, 30], [0, 0, 0, 1]]))
save("flip.nii", v, q=2, affine=np.array([[0.7, 0, 0, 10], [0, -0.7, 0, 20], [0, 0, -3, 30], [0, 0, 0, 1]]))
half = nib.Nifti1Image(v, None)
half.set_sform(None, 0)
half.header["qform_code"], half.header["pixdim"][:4] = 1, [-1, 0.5, 0.5, 2]
half.header["quatern_b"], half.header["quatern_c"], half.header["quatern_d"] = 0.70710678, 0.0001, 0.70710670
nib.save(half, os.path.join(OUT, "half_turn.nii"))
expect("half_turn.nii")

# gzipped pair, and one with an extension
p = nib.Nifti1Pair(v, OBLIQUE)
p.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"nobody reads this"))
nib.save(p, os.path.join(OUT, "zip.hdr"))
for part in ("hdr", "img"):
    with open(os.path.join(OUT, "zip." + part), "rb") as f, open(os.path.join(OUT, f"zip.{part}.gz"), "wb") as g:
        g.write(gzip.compress(f.read(), 9, mtime=0))
    os.remove(os.path.join(OUT, "zip." + part))
expect("zip.hdr.gz")
e = nib.Nifti1Image(v, OBLIQUE)
e.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 100))
nib.save(e, os.path.join(OUT, "extension.nii"))
expect("extension.nii")

# SimpleITK's own
i = sitk.GetImageFromArray(np.ascontiguousarray(v.T))
i.SetSpacing((0.7, 0.8, 2.5))
i.SetOrigin((-12.5, 33.25, 7))
i.SetDirection(rotation(0.2, 0.1, -0.4).ravel())
sitk.WriteImage(i, os.path.join(OUT, "itk.nii"))
expect("itk.nii")

# a mask as floats, and the same as what it must become
m = (rng.random((7, 5, 3)) > 0.5)
save("mask_f32.nii", m.astype("float32"), s=1)
save("mask_u8.nii.gz", m.astype("uint8"), s=1)
save("mask_slope.nii", (m * 255).astype("uint8"), s=1, slope=(1 / 255, 0))
save("mask_minus.nii", m.astype("float64") * -300, s=1)

with open(os.path.join(OUT, "expected.tsv"), "w") as f:
    f.write("\n".join(rows) + "\n")
