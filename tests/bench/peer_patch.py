"""peer_patch.py VOLUMES.ts N RUNS: N patches by MONAI's transforms from volumes in memory. Prints name, best wall ms and best processor ms a patch."""
import json
import struct
import sys
import time

import numpy as np
import torch
from monai.transforms import Compose, FgBgToIndicesd, RandCropByPosNegLabeld, RandFlipd, RandScaleIntensityd, RandShiftIntensityd

DTYPE = {"F32": np.float32, "U8": np.uint8, "I16": np.int16}


def volumes(path):
    data = open(path, "rb").read()
    at = 0
    while at < len(data):
        n = struct.unpack_from("<Q", data, at)[0]
        header = json.loads(data[at + 8:at + 8 + n])
        base, end, case = at + 8 + n, 0, {}
        for name, t in header.items():
            if name != "__metadata__":
                a, b = t["data_offsets"]
                case[name] = torch.from_numpy(np.frombuffer(data[base + a:base + b], DTYPE[t["dtype"]]).reshape(t["shape"]).copy())
                end = max(end, b)
        case["label"] = case["label"][None]
        yield case
        at = base + end


n, runs = int(sys.argv[2]), int(sys.argv[3])
cached = [FgBgToIndicesd("label")(c) for c in volumes(sys.argv[1])]
crop = RandCropByPosNegLabeld(["image", "label"], "label", (64, 160, 160), pos=1, neg=3, fg_indices_key="label_fg_indices", bg_indices_key="label_bg_indices")
rest = [RandFlipd(["image", "label"], prob=0.5, spatial_axis=2), RandScaleIntensityd("image", 0.1, prob=1), RandShiftIntensityd("image", 0.1, prob=1)]
for name, t in (("MONAI crop, indices cached (call)", Compose([crop])), ("MONAI crop, flip, scale, shift (call)", Compose([crop] + rest))):
    wall = cpu = 1e9
    for _ in range(runs):
        a, b = time.perf_counter(), time.process_time()
        for i in range(n):
            t(cached[i % len(cached)])
        wall, cpu = min(wall, time.perf_counter() - a), min(cpu, time.process_time() - b)
    print(name, 1e3 * wall / n, 1e3 * cpu / n, sep="\t")


class Patches(torch.utils.data.Dataset):
    def __len__(self):
        return n + 2

    def __getitem__(self, i):
        return Compose([crop] + rest)(cached[i % len(cached)])[0]


# two processes, as users have it; what is ahead when the first patch is there is not counted
loader = iter(torch.utils.data.DataLoader(Patches(), num_workers=2, collate_fn=lambda batch: {k: torch.as_tensor(batch[0][k])[None] for k in ("image", "label")}))
next(loader)
begun, got = time.perf_counter(), sum(1 for _ in loader)
print("MONAI in a DataLoader of 2 workers", 1e3 * (time.perf_counter() - begun) / got, "", sep="\t")
