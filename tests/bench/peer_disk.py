"""peer_disk.py FILE FRAME HEAD N: N patches of 160x160x64 at random places by numpy's memory map (as nnU-Net's unpacked .npy), see disk.c. Prints wall ms a patch."""
import sys
import time

import numpy as np

path, (frame, head, n) = sys.argv[1], map(int, sys.argv[2:])
shape = (95, 324, 311)
voxels = np.prod(shape)
data = np.memmap(path, np.uint8, "r")
rng = np.random.default_rng(1)
begun = time.perf_counter()
for _ in range(n):
    at = int(rng.integers(len(data) // frame)) * frame + head
    image = data[at:at + 4 * voxels].view(np.float32).reshape(shape)
    label = data[at + 4 * voxels:at + 5 * voxels].reshape(shape)
    z, y, x = (int(rng.integers(a - b)) for a, b in zip(shape, (64, 160, 160)))
    for t in (image, label):
        np.array(t[z:z + 64, y:y + 160, x:x + 160])
print(f"{1e3 * (time.perf_counter() - begun) / n:.2f}")
