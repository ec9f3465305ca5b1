"""Digests of plans: the same in any process, others for whatever makes another result."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from support.banks import make_random_network, random_network

from lerf_core import Displacement
from lerf_core.execution.digest import digest_of
from lerf_core.execution.planning import plan_resize, plan_warp

PLANS = """
import numpy as np
from lerf_core import Displacement
from lerf_core.execution.digest import digest_of
from lerf_core.execution.planning import plan_resize, plan_warp
field = Displacement(np.linspace(0, 3, 2 * 30 * 40).reshape(2, 30, 40))
print(digest_of(plan_resize((30, 40, 3), np.dtype("u1"), (10, 20), None, channel_axis=-1,
                            kernel="lanczos3", cval=(1, 2, 3))))
print(digest_of(plan_resize((30, 40), np.dtype("f4"), (60, 80), "lerf-g", nodata=-9999.0)))
print(digest_of(plan_warp((30, 40), np.dtype("u2"), np.diag([2.0, 3, 1]), None, None)))
print(digest_of(plan_warp((30, 40), np.dtype("u2"), field, None, None)))
"""


def test_processes_agree():
    runs = [
        subprocess.run([sys.executable, "-c", PLANS], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    first, second = (run.stdout.split() for run in runs)
    assert first == second
    assert len(set(first)) == 4


def resized(shape=(30, 40), dtype="u1", to=(10, 20), bank=None, **keywords):
    return digest_of(plan_resize(shape, np.dtype(dtype), to, bank, **keywords))


@pytest.mark.parametrize(
    "change",
    [{"shape": (31, 40)}, {"dtype": "u2"}, {"to": (10, 21)}, {"bank": "lerf-g"},
     {"mode": "wrap"}, {"cval": 1}, {"cval": 1.0}, {"nodata": 0}, {"nodata": float("nan")},
     {"method": "majority"}, {"method": "nearest"}, {"kernel": "cubic"},
     {"kernel": "cubic:b=0.1,c=0.5"}, {"kernel": "area"}, {"anti_aliasing": False},
     {"linear_light": True}, {"value_range": (0, 200)}, {"bank": "lerf-p", "fast": True},
     {"bank": random_network()}],
)  # fmt: skip
def test_whatever_changes_the_result_changes_the_digest(change):
    assert resized() == resized()
    assert resized(**change) == resized(**change)
    assert resized(**change) != resized()


def test_networks_are_told_apart():
    assert resized(bank=random_network()) != resized(bank=make_random_network(seed=1))
    assert resized(bank=random_network()) == resized(bank=make_random_network())


def test_fields_count_by_their_values():
    def warped(field):
        return digest_of(plan_warp((30, 40), np.dtype("u1"), Displacement(field), None, None))

    field = np.zeros((2, 30, 40))
    other = field.copy()
    other[1, 29, 39] = 1e-9
    assert warped(field) == warped(field.copy())
    assert warped(field) != warped(other)


def test_values_are_told_apart_by_kind_and_by_place():
    values = [None, 0, 0.0, False, "0", (), (0,), ((0,),), (0, 0), np.zeros(1), np.zeros(2),
              np.zeros(1, "f4"), np.float64(0), np.dtype("u1"), np.dtype("i1"), [0]]  # fmt: skip
    assert len({digest_of(value) for value in values}) == len(values)
    assert digest_of(((1,), 2)) != digest_of((1, (2,)))


def test_functions_are_left_to_dask():
    assert digest_of((1, np.sin)) == digest_of((1, np.sin)) != digest_of((1, np.cos))
