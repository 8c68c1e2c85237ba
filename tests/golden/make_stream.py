#!/usr/bin/env python3
"""stream_python.safetensors: a frame written by Python's safetensors, for tests/unit/stream.c; and stream_ours.ts, written by niipipe (nii-phantom and
cc-largest), is opened by it. Run by hand from the repository's root: python tests/golden/make_stream.py (torch, safetensors)."""
import os
import subprocess
import tempfile

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
VALUES = {
    "bool": (torch.bool, [True, False, True]), "u8": (torch.uint8, [0, 1, 255]), "i8": (torch.int8, [-128, 0, 127]),
    "u16": (torch.uint16, [0, 1, 65535]), "i16": (torch.int16, [-32768, 0, 32767]), "f16": (torch.float16, [-1.5, 6.103515625e-05, 65504]),
    "bf16": (torch.bfloat16, [-1.5, 0.0078125, 256]), "u32": (torch.uint32, [0, 1, 4294967295]), "i32": (torch.int32, [-2**31, 0, 2**31 - 1]),
    "f32": (torch.float32, [-1.5, 1e-45, 3e38]), "u64": (torch.uint64, [0, 1, 2**32]), "i64": (torch.int64, [-2**32, 0, 1]),
    "f64": (torch.float64, [-1.5, 5e-324, 1e308]),
}
tensors = {k: torch.tensor([v], dtype=t) for k, (t, v) in VALUES.items()}
tensors["empty"] = torch.zeros(0, 5)
tensors["scalar"] = torch.tensor(2.5)
save_file(tensors, f"{HERE}/stream_python.safetensors", metadata={"id": "python", "niipipe": "1"})

with tempfile.TemporaryDirectory() as tmp:
    path = f"{tmp}/ours.safetensors"
    subprocess.run(f"build/bin/nii-phantom -n 1 --seed 1 --size 32,24,16 --spacing 10,12,18 | build/bin/cc-largest >{path}", shell=True, check=True)
    ours = load_file(path)
    print({k: (v.dtype, tuple(v.shape)) for k, v in ours.items()})
    assert tuple(ours["image"].shape)[-3:] == (16, 24, 32) and ours["label"].shape == (16, 24, 32)
    with safe_open(path, framework="pt") as f:
        assert f.metadata()["kind"] == "volume" and "cc-largest" in f.metadata()["history"]
    # what niipipe copies of Python's file is the same to Python
    copy = f"{tmp}/copy.safetensors"
    subprocess.run(f"build/bin/ts-select -o {copy} {HERE}/stream_python.safetensors", shell=True, check=True)
    back = load_file(copy)
    assert back.keys() == tensors.keys() and all(torch.equal(back[k].view(torch.uint8), tensors[k].view(torch.uint8)) for k in tensors if tensors[k].dim())
    print("Python opens what niipipe writes")
