"""What the make_*.py scripts here share. A frame of tensor-stream(5), written without any of niipipe; golden cases; golden image files."""
import hashlib
import json
import os
import struct

import numpy as np

DTYPE = {"bool": "BOOL", "uint8": "U8", "int8": "I8", "uint16": "U16", "int16": "I16", "uint32": "U32", "int32": "I32", "uint64": "U64", "int64": "I64",
         "float16": "F16", "float32": "F32", "float64": "F64"}
IDENTITY = "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"


def frame(tensors, **meta):
    """Bytes of a frame: tensors by name, C order, x last; metadata as keywords."""
    header = {"__metadata__": {k: str(v) for k, v in meta.items()}}
    data = b""
    for name, a in sorted(tensors.items(), key=lambda kv: (-kv[1].dtype.itemsize, kv[0])):
        b = np.ascontiguousarray(a).tobytes()
        header[name] = {"dtype": DTYPE[str(a.dtype)], "shape": list(a.shape), "data_offsets": [len(data), len(data) + len(b)]}
        data += b
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % 8)
    return struct.pack("<Q", len(text)) + text + data


class Golden:
    """Volumes, and the commands that must make one of them of another: NAME.ts, NAME.tsv (command, frame, frame, tolerance) in this folder."""

    def __init__(self, name):
        self.name, self.frames, self.cases = name, [], []

    def frame(self, name, affine, **tensors):
        """Tensors as MONAI has them, [C,X,Y,Z] or [X,Y,Z]; returns the frame's index."""
        turned = {k: np.transpose(np.asarray(v), (0, 3, 2, 1) if np.ndim(v) == 4 else (2, 1, 0)) for k, v in tensors.items()}
        affine = " ".join(repr(float(v)) for v in np.asarray(affine).ravel())
        self.frames.append(frame(turned, niipipe=1, kind="volume", id=name, affine=affine))
        return len(self.frames) - 1

    def case(self, command, source, result, atol):
        self.cases.append(f"{command}\t{source}\t{result}\t{atol}\n")

    def write(self):
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), self.name)
        with open(path + ".ts", "wb") as f:
            f.write(b"".join(self.frames))
        with open(path + ".tsv", "w") as f:
            f.write("".join(self.cases))
        print(len(self.frames), "frames,", sum(map(len, self.frames)), "bytes,", len(self.cases), "cases")


# Types of voxels that image files hold.
VOXELS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]


def voxels(rng, dtype, shape):
    """Random ones over all of an integer type's range, both ends among them; floats normal, deviation 1000."""
    if np.dtype(dtype).kind == "f":
        return rng.normal(0, 1000, shape).astype(dtype)
    info = np.iinfo(dtype)
    v = rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    v.flat[0], v.flat[-1] = info.min, info.max
    return v


def expected(name, size, channels, dtype, affine, data):
    """A line of expected.tsv: file, x, y, z, channels, dtype, affine (12 numbers), sha256 of data, bytes of little-endian float32."""
    numbers = " ".join("%.17g" % v for v in np.asarray(affine)[:3].ravel())
    return "\t".join([name, *map(str, size), str(channels), dtype, numbers, hashlib.sha256(data).hexdigest()])
