"""check_written.py BIN: what nii-write writes is read by nibabel and SimpleITK voxel for voxel, at every level and several numbers of threads. Nothing is
kept: run it by hand. Needs nibabel, SimpleITK."""
import os
import subprocess
import sys
import tempfile

import nibabel as nib
import numpy as np
import SimpleITK as sitk


def main(tools):
    run = lambda *a, **k: subprocess.run([os.path.join(tools, a[0]), *a[1:]], check=True, **k)
    with tempfile.TemporaryDirectory() as tmp:
        case, out = os.path.join(tmp, "case.ts"), os.path.join(tmp, "out.nii.gz")
        run("nii-phantom", "-n", "1", "--size", "211,173,90", "-o", case)
        with open(os.path.join(tmp, "want.npy"), "wb") as f:
            run("ts-info", "--npy", "image", case, stdout=f)
        want = np.load(os.path.join(tmp, "want.npy"))[0]
        n = 0
        for level in range(10):
            for threads in (1, 2, 5):
                run("nii-write", "-t", "image", "--gzip", str(level), "--threads", str(threads), "-o", out, case)
                nii, itk = nib.load(out), sitk.ReadImage(out)
                assert np.array_equal(np.asarray(nii.dataobj).T, want) and nii.get_data_dtype() == np.int16
                assert nii.dataobj.slope == 1 and nii.dataobj.inter == 0
                assert np.array_equal(sitk.GetArrayFromImage(itk), want) and itk.GetPixelID() == sitk.sitkInt16
                assert np.allclose(itk.GetSpacing(), nii.header.get_zooms(), atol=1e-5)
                n += 1
    print(n, "files read by nibabel", nib.__version__, "and SimpleITK", sitk.Version.VersionString())


main(sys.argv[1])
