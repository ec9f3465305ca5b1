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
from lerf_core.backends import get_backend
from lerf_core.fronts.cascade import CASCADE_PATTERNS, TableCascade, cascade_stages

digest = hashlib.sha256()
for bank, dtype in (("lerf-p", np.uint8), ("lerf-l", np.uint16)):
    top = np.iinfo(dtype).max
    image = np.random.default_rng(0).integers(0, top, (21, 37), dtype=dtype)
    digest.update(lerf_core.rescale(image, 2, bank=bank, engine=sys.argv[1]).tobytes())
    # Enlarged at the top, shrunk at the bottom.
    matrix = [[0.8, 0.1, -2], [-0.1, 0.7, 1], [0, -0.02, 1]]
    digest.update(lerf_core.warp(image, matrix, bank=bank, engine=sys.argv[1]).tobytes())
for scale, dtype in ((2, np.float32), (3, np.uint8), (4, np.uint8)):
    rng, names = np.random.default_rng(scale), tuple(CASCADE_PATTERNS)
    stages = cascade_stages(scale, names)
    tables = {
        f"stage{number}.{name}.0": rng.integers(-127, 128, (9,) * 4 + (len(stage.values),), np.int8)
        for number, stage in enumerate(stages, 1)
        for name in names
    }
    cascade = TableCascade("drawn", 32, CASCADE_PATTERNS, stages, tables)
    planes = rng.integers(0, 256, (1, 21, 37)).astype(dtype)
    digest.update(cascade.enlarged_by(get_backend(sys.argv[1]), planes, 1).tobytes())
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
