"""Kernels that numba compiles for lesser processors give the same bytes; see also test_long."""

import platform

import pytest
from support.kernels import environment, run_python

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        platform.machine() not in {"x86_64", "AMD64"}, reason="names of x86-64 features"
    ),
]

FEATURES = {
    "sse2": "+sse2",
    "avx2": "+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+avx,+avx2,+fma,+bmi,+bmi2",
}
SCRIPT = """
import hashlib
import sys
import numpy as np
import lerf_core

digest = hashlib.sha256()
for bank, dtype in (("lerf-p", np.uint8), ("lerf-l", np.uint16)):
    top = np.iinfo(dtype).max
    image = np.random.default_rng(0).integers(0, top, (21, 37), dtype=dtype)
    digest.update(lerf_core.rescale(image, 2, bank=bank, engine=sys.argv[1]).tobytes())
    # Enlarged at the top, shrunk at the bottom.
    matrix = [[0.8, 0.1, -2], [-0.1, 0.7, 1], [0, -0.02, 1]]
    digest.update(lerf_core.warp(image, matrix, bank=bank, engine=sys.argv[1]).tobytes())
print(digest.hexdigest())
"""


def digest_of(engine, **variables):
    return run_python(SCRIPT, engine, env=environment("numba", **variables)).stdout


@pytest.mark.parametrize("name", FEATURES)
def test_a_lesser_processor_gives_what_the_reference_does(name, tmp_path):
    from llvmlite import binding

    able = {f"+{feature}" for feature, there in binding.get_host_cpu_features().items() if there}
    if not able >= set(FEATURES[name].split(",")):
        pytest.skip(f"this processor has no {name}")
    lesser = digest_of(
        "numba",
        NUMBA_CPU_NAME="x86-64",
        NUMBA_CPU_FEATURES=FEATURES[name],
        NUMBA_CACHE_DIR=tmp_path,
    )
    assert lesser == digest_of("reference")
