"""peer_io.py FILE DIR RUNS BIN: nibabel and SimpleITK read and write FILE; best of RUNS beside nii-read and nii-write as whole processes."""
import os
import subprocess
import sys
import time

path, out, runs, tools = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
begun = time.perf_counter()
import nibabel as nib  # noqa: E402
import numpy as np  # noqa: E402

start_nib = time.perf_counter() - begun
begun = time.perf_counter()
import SimpleITK as sitk  # noqa: E402

start_itk = time.perf_counter() - begun


def best(work):
    """Least wall and CPU milliseconds."""
    wall, cpu = 1e9, 1e9
    for _ in range(runs):
        a, b = time.perf_counter(), time.process_time()
        c = os.times()
        work()
        d = os.times()
        wall = min(wall, 1e3 * (time.perf_counter() - a))
        cpu = min(cpu, 1e3 * (time.process_time() - b + d.children_user - c.children_user + d.children_system - c.children_system))
    return wall, cpu


def tool(*args):
    return lambda: subprocess.run([os.path.join(tools, args[0]), *args[1:]], check=True)


nii = nib.load(path)
data, affine = np.asarray(nii.dataobj), nii.affine
itk = sitk.ReadImage(path)
rows = {
    "read": [("nii-read (process)", tool("nii-read", "-o", "/dev/null", path)), ("nibabel", lambda: np.asarray(nib.load(path).dataobj)),
             ("SimpleITK", lambda: sitk.ReadImage(path))],
    "write": [("nii-write (process)", tool("nii-write", "-t", "image", "-o", out + "/w.nii.gz", out + "/v.ts")),
              ("nibabel", lambda: nib.save(nib.Nifti1Image(data, affine), out + "/n.nii.gz")),
              ("SimpleITK", lambda: sitk.WriteImage(itk, out + "/i.nii.gz", True))],
}
print(f"imports: nibabel {1e3 * start_nib:.0f} ms, SimpleITK {1e3 * start_itk:.0f} ms")
for what, peers in rows.items():
    first = None
    for name, work in peers:
        wall, cpu = best(work)
        first = first or (wall, cpu)
        print(f"{what + ' ' + name:<46} {wall:9.1f} {cpu:9.1f} {'':9} {wall / first[0]:8.2f}x wall, {cpu / first[1]:.2f}x cpu")
for suffix, name in (("w", "nii-write"), ("n", "nibabel"), ("i", "SimpleITK")):
    print(f"size {name:<41} {os.path.getsize(out + '/' + suffix + '.nii.gz') / 1e6:9.2f} MB")
