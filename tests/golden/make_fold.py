#!/usr/bin/env python3
"""fold.txt: number of samples, seed, folds, and the fold of every sample, as scikit-learn's KFold deals them. Run by hand: python make_fold.py (scikit-learn)."""
import os

import numpy as np
from sklearn.model_selection import KFold

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "fold.txt"), "w") as out:
    for n, seed, folds in [(2, 0, 2), (5, 12345, 5), (7, 12345, 5), (20, 12345, 5), (291, 12345, 5), (100, 4294967295, 3), (257, 1, 10), (256, 2, 256), (1500, 7, 4)]:
        of = np.zeros(n, int)
        for k, (_, test) in enumerate(KFold(folds, shuffle=True, random_state=seed).split(np.zeros(n))):
            of[test] = k
        print(n, seed, folds, *of, file=out)
