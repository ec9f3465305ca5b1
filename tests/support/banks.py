"""Banks of random tables."""

from functools import cache

import numpy as np

from lerf_core.bank import KINDS, LOCAL_PLANE, LutBank, Stage
from lerf_core.bank.patterns import PATTERNS
from lerf_core.constants import ENTRY_BIAS, LOCAL_PLANE_BIAS

__all__ = ["make_random_bank", "random_bank"]


def make_random_bank(kind, *, interval=16, patterns=None, prefilters=1, seed=0):
    """Return a bank of smooth random tables: like trained ones, every entry plays a part."""
    rng = np.random.default_rng(seed)
    patterns = patterns or PATTERNS
    names = tuple(patterns)
    nodes = 256 // interval + 1
    values = KINDS[kind].values
    stages = [
        Stage(names, ((0, 1, 2, 3),), ("feature",), divisor=len(names), bias=0)
        for _ in range(prefilters)
    ]
    bias = tuple(LOCAL_PLANE_BIAS if value in LOCAL_PLANE else ENTRY_BIAS for value in values)
    stages.append(Stage(names, ((0, 2), (1, 3)), values, divisor=4 * len(names), bias=bias))
    tables = {}
    for number, stage in enumerate(stages, 1):
        for name in names:
            for group in range(len(stage.rotation_groups)):
                shape = (nodes,) * 4 + (len(stage.values),)
                noise = rng.normal(0, 6 if number < len(stages) else 60, shape)
                level = np.linspace(0, 64, nodes)[:, None, None, None, None]
                start = level if number < len(stages) else 0.0
                entries = np.clip(np.rint(start + noise), -127, 127).astype(np.int8)
                tables[f"stage{number}.{name}.{group}"] = entries
    return LutBank(f"random-{kind}", KINDS[kind], interval, patterns, tuple(stages), tables)


@cache
def random_bank(kind):
    """Return the bank of random tables of a kind, made once a process."""
    return make_random_bank(kind, seed=tuple(KINDS).index(kind))
