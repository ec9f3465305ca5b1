"""Freed memory is kept, where the C library can be told and the environment says nothing."""

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import resource
import numpy as np
from lerf_training.loop.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):  # two blocks that grow and shrink: never the one that was just freed
        np.ones(5_000_000, np.uint8), np.ones(9_000_000, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

changed = keep_freed_memory()
faults()
print(changed, faults())
"""


def answers(**environment):
    import os

    # Clusters of dask that other tests start set such variables for their workers.
    inherited = {name: value for name, value in os.environ.items() if "MALLOC" not in name}
    paths = os.pathsep.join(sys.path)
    result = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env={**inherited, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    changed, faults = result.stdout.split()
    return changed == "True", int(faults)


glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")


@glibc
def test_blocks_that_are_freed_are_used_again():
    changed, faults = answers()
    assert changed
    assert faults < 200


@glibc
def test_what_the_environment_says_is_left():
    assert not answers(MALLOC_MMAP_MAX_="8", MALLOC_TRIM_THRESHOLD_="100000")[0]
    assert answers(MALLOC_MMAP_MAX_="8")[0]
    tunables = "glibc.malloc.mmap_max=8:glibc.malloc.trim_threshold=100000"
    assert not answers(GLIBC_TUNABLES=tunables)[0]


def test_other_systems_are_left_alone(monkeypatch):
    from lerf_training.loop import memory

    monkeypatch.setattr(memory.sys, "platform", "win32")
    assert memory.keep_freed_memory() is False
