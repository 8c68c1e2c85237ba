#!/usr/bin/env python3
"""run_onnx.py MODEL.onnx STREAM...: onnxruntime's logits of the last frames' `input` [N,C,D,H,W] (or `image` [C,Z,Y,X]) against its `logits` (or `prob`).
Prints the largest difference over the largest magnitude; 1 above 1e-4. Needs numpy and onnxruntime alone: tests/seg-export.bats runs it where they are."""
import json
import sys

import numpy as np
import onnxruntime

DTYPE = {"F32": np.float32, "U8": np.uint8, "I16": np.int16, "F64": np.float64, "I64": np.int64}


def last_frame(path):
    data, at = open(path, "rb").read(), 0
    while at < len(data):
        n = int.from_bytes(data[at:at + 8], "little")
        header = json.loads(data[at + 8:at + 8 + n])
        header.pop("__metadata__", None)
        begin = at + 8 + n
        at = begin + max(v["data_offsets"][1] for v in header.values())
    return {k: np.frombuffer(data[begin + v["data_offsets"][0]:begin + v["data_offsets"][1]], DTYPE[v["dtype"]]).reshape(v["shape"]) for k, v in header.items()}


def main(model, *streams):
    t = {k: v for s in streams for k, v in last_frame(s).items()}
    x, want = (t["input"], t["logits"]) if "input" in t else (t["image"][None], t["prob"][None])
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    if len(session.get_inputs()[0].shape) < x.ndim:  # of two dimensions
        x, want = (v.squeeze(2 + x.shape[2:].index(1)) for v in (x, want))
    got = session.run(["logits"], {"input": np.ascontiguousarray(x, np.float32)})[0]
    off = float(np.abs(got - want).max() / np.abs(want).max())
    print("%.1e" % off)
    return not off < 1e-4


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
