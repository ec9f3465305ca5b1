"""Banks of random tables and random networks."""

import shutil
from functools import cache

import numpy as np

from lerf_core.bank import (
    BANK_BEHIND_FRONTS,
    KINDS,
    LOCAL_PLANE,
    LutBank,
    Stage,
    available_banks,
    load_bank,
)
from lerf_core.bank.layered_network import INPUTS, Layer
from lerf_core.bank.network import OUTPUTS, NetworkBank
from lerf_core.bank.patterns import PATTERNS
from lerf_core.constants import ENTRY_BIAS, LOCAL_PLANE_BIAS

__all__ = [
    "make_random_bank",
    "make_random_network",
    "random_bank",
    "random_layers",
    "random_network",
    "write_bank_behind_fronts",
]


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


def make_random_network(width=8, first=3, middle=2, last=3, *, seed=0, **keywords):
    """Return a network of random weights whose outputs fill their range, as trained ones do."""
    layers = random_layers(width, first, middle, last, outputs=len(OUTPUTS), seed=seed)
    keywords = {"training": {"method": "random"}, **keywords}
    return NetworkBank(f"random-network-{seed}", layers, **keywords)


def random_layers(width, first, middle, last, *, outputs, seed, bits=-1):
    """Return random layers; `bits` are as those of `_random_layer`, of the last one."""
    rng = np.random.default_rng(seed)
    layers = [_random_layer(rng, INPUTS, width, first)]
    layers += [_random_layer(rng, width, width, 3, bits=1) for _ in range(middle)]
    layers.append(_random_layer(rng, width, outputs, last, bits=bits, middle=LOCAL_PLANE_BIAS))
    return tuple(layers)


def _random_layer(rng, inputs, outputs, size, *, bits=0, middle=0):
    """Return a layer that answers little to what is flat, and there gives about `middle`.

    `bits` are those that its sums are shifted by beyond what keeps the spread of its inputs.
    """
    weight = rng.normal(0, 40, (outputs, inputs, size, size))
    weight -= 0.95 * weight.mean(axis=(2, 3), keepdims=True) if size > 1 else weight.mean()
    weight = np.clip(np.rint(weight), -127, 127).astype(np.int8)
    shift = max(0, round(np.log2(20 * np.sqrt(weight[0].size))) + bits)
    bias = (middle << shift) - 100 * weight.sum(axis=(1, 2, 3), dtype=np.int64)
    return Layer(weight, bias.astype(np.int32), np.full(outputs, shift, np.uint8))


@cache
def random_network(*structure):
    """Return the network of random weights of a structure, made once a process."""
    return make_random_network(*structure)


def write_bank_behind_fronts(folder, monkeypatch, name="lerf-g"):
    """Have a user's folder hold a bank of the name of the one behind fronts; return the bank."""
    folder.mkdir(exist_ok=True)
    shutil.copy(available_banks()[name], folder / f"{BANK_BEHIND_FRONTS}.safetensors")
    monkeypatch.setenv("LERF_BANKS", str(folder))
    return load_bank(name)
