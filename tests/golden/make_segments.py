#!/usr/bin/env python3
"""Golden segmentations of 3D Slicer: tests/golden/nrrd/*.seg.nrrd, by slicerio 1.3, the Slicer community's own package, and segments.tsv. Run by hand.

plain: one layer, labels 1, 7 and 40. layers: two, with one voxel of both. old: as Slicer had it before 4.11, a layer a segment, by pynrrd.
box: a box of plain's grid. none: no segments, which is one voxel.
segments.tsv: file, labels as nii-read should have them, x fastest, a byte in hexadecimal each, names by label, voxels of several segments."""
import json
import os

import nrrd
import numpy as np
import slicerio

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nrrd")
rng = np.random.default_rng(20261127)
LPS = np.array([[-0.7, 0, 0.1, 12.5], [0, -0.7, 0, -3.25], [0.05, 0, 2.5, 100], [0, 0, 0, 1]])
NAMES = ["tumour", "lymph node, left", 'third: "c" := d']


def write(name, voxels, segments, first=(0, 0, 0)):
    path = os.path.join(OUT, name)
    lps = LPS.copy()
    lps[:3, 3] += LPS[:3, :3] @ first
    slicerio.write_segmentation(path, {"voxels": voxels, "ijkToLPS": lps, "encoding": "gzip", "segments": segments})
    read = slicerio.read_segmentation(path)
    assert (read["voxels"] == voxels).all()
    return [(s["layer"], s["labelValue"], s["name"]) for s in read["segments"]], read["voxels"]


def old():
    voxels = (rng.random((2, 4, 3, 2)) < 0.4).astype(np.uint8)
    head = {"space": "left-posterior-superior", "kinds": ["list", "domain", "domain", "domain"], "encoding": "gzip",
            "space directions": np.vstack([np.full(3, np.nan), LPS[:3, :3].T]), "space origin": LPS[:3, 3]}
    for k, name in enumerate(NAMES[:2]):
        head[f"Segment{k}_ID"] = head[f"Segment{k}_Name"] = name
        head[f"Segment{k}_Extent"] = "0 3 0 2 0 1"
    head["Segmentation_MasterRepresentation"] = "Binary labelmap"
    nrrd.write(os.path.join(OUT, "old.seg.nrrd"), voxels, head)
    return [(k, 1, name) for k, name in enumerate(NAMES[:2])], voxels


def segment(k, value, layer=0):
    return {"id": f"Segment_{k + 1}", "name": NAMES[k], "color": [1, 0, 0], "labelValue": value, "layer": layer}


plain = rng.choice([0, 1, 7, 40], (4, 3, 2)).astype(np.uint8)
layers = rng.choice([0, 1, 2], (2, 4, 3, 2)).astype(np.uint8)
layers[1] *= layers[1] == 1
layers[1, 1, 1, 1] = layers[0, 1, 1, 1] = 1
files = {
    "plain.seg.nrrd": write("plain.seg.nrrd", plain, [segment(0, 1), segment(1, 7), segment(2, 40)]),
    "layers.seg.nrrd": write("layers.seg.nrrd", layers, [segment(0, 1), segment(1, 2), segment(2, 1, 1)]),
    "old.seg.nrrd": old(),
}
BOX = np.s_[1:4, 0:2, 1:2]
files["box.seg.nrrd"] = write("box.seg.nrrd", plain[BOX], [segment(0, 1), segment(2, 40)], (1, 0, 1))
files["none.seg.nrrd"] = write("none.seg.nrrd", np.ones((1, 1, 1), np.uint8), [])
with open(os.path.join(OUT, "segments.tsv"), "w") as out:
    for name, (segments, voxels) in files.items():
        label, shared = np.zeros(plain.shape, np.uint8), 0
        if voxels.ndim == 3:
            where = {"plain.seg.nrrd": np.s_[:], "box.seg.nrrd": BOX, "none.seg.nrrd": np.s_[:0]}[name]
            label[where] = voxels[:len(label[where])]
        else:
            for k, (layer, value, _) in enumerate(segments):
                shared += int((label[voxels[layer] == value] > 0).sum())
                label[voxels[layer] == value] = k + 1
        names = {str(v if voxels.ndim == 3 else k + 1): n for k, (_, v, n) in enumerate(segments)}
        hexes = label.transpose(2, 1, 0).tobytes().hex()
        out.write(f"{name}\t{hexes}\t{json.dumps(names, sort_keys=True, ensure_ascii=False, separators=(',', ':'))}\t{shared}\n")
