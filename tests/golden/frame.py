"""A frame of tensor-stream(5), written without any of niipipe: for the make_*.py scripts here."""
import json
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
