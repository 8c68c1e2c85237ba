#!/usr/bin/env python3
"""Golden files of tests/seg-join.bats: labels of TotalSegmentator's parts of a task, random here, and what its own tables and way of joining make of them. Run by
hand with a Python that has numpy and, in a folder that is named, the package totalsegmentator (2.18):
    python tests/golden/make_join.py FOLDER
join-TASK.ts holds a frame for each part, in the order in which they are predicted, and then the result. A label is named by c and its number in the task."""
import json
import os
import sys

import numpy as np
from frame import IDENTITY, frame

sys.path.insert(0, os.path.join(sys.argv[1], "totalsegmentator"))
import map_to_binary as theirs  # noqa: E402

TASKS = {"total": (theirs.class_map_5_parts, theirs.map_taskid_to_partname_ct, [291, 292, 293, 294, 295]),
         "total_mr": (theirs.class_map_parts_mr, theirs.map_taskid_to_partname_mr, [850, 851]),
         "headneck_muscles": (theirs.class_map_parts_headneck_muscles, theirs.map_taskid_to_partname_headneck_muscles, [778, 779])}
rng = np.random.default_rng(1)
for task, (parts, part_of, models) in TASKS.items():
    number = {name: k for k, name in theirs.class_map[task].items()}
    whole, frames = np.zeros((8, 9, 10), np.uint8), b""
    for model in models:
        label_of = parts[part_of[model]]
        seg = rng.integers(0, len(label_of) + 1, whole.shape, dtype=np.uint8)
        seg[rng.random(whole.shape) < 0.5] = 0
        for k, name in label_of.items():  # a later part goes over those before
            whole[seg == k] = number[name]
        names = {"0": "background", **{str(k): "c%d" % number[name] for k, name in label_of.items()}}
        frames += frame({"pred": seg}, niipipe=1, kind="volume", id="case", affine=IDENTITY, labels=json.dumps(names))
    names = {"0": "background", **{str(k): "c%d" % k for k in sorted(number.values())}}
    frames += frame({"pred": whole}, niipipe=1, kind="volume", id="case", affine=IDENTITY, labels=json.dumps(names, sort_keys=True, separators=(",", ":")))
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "join-%s.ts" % task), "wb") as f:
        f.write(frames)
    print(task, len(models), "parts,", len(np.unique(whole)), "labels,", len(frames), "bytes")
