"""Golden file of the Dice rule, made by the rankseg package (run by hand: python tests/golden/make_prob.py): prob.ts, frames with `prob` [2,Z,Y,X] of
probabilities and `want` [Z,Y,X], rankseg_rma's mask of class 1 (multilabel: every class by itself)."""
import os

import numpy as np
import torch
from rankseg import rankseg_rma

from frame import IDENTITY, frame

HERE = os.path.dirname(os.path.abspath(__file__))


def blob(rng, size, sharp, level, noise):
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in size], indexing="ij")
    logit = sharp * (level - z * z - 1.5 * y * y - x * x * 0.8) + noise * rng.normal(size=size)
    return (1 / (1 + np.exp(-logit))).astype(np.float32)


rng = np.random.default_rng(5)
with open(os.path.join(HERE, "prob.ts"), "wb") as f:
    for i, (sharp, level, noise) in enumerate([(20, 0.4, 0.5), (3, 0.5, 1), (8, -0.2, 2), (6, -3, 0.1), (5, 2, 1)]):
        p = blob(rng, (7, 9, 11), sharp, level, noise)
        both = np.stack([1 - p, p])
        want = rankseg_rma(torch.from_numpy(both)[None], metric="dice", output_mode="multilabel")[0, 1].numpy().astype(np.uint8)
        print(i, (p >= 0.5).sum(), want.sum())
        f.write(frame({"prob": both, "want": want}, niipipe=1, kind="volume", id=f"blob{i}", affine=IDENTITY, prob="probabilities"))
