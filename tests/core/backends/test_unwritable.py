"""Where nothing can be written, numba compiles kernels for the process alone."""

import pytest
from support.kernels import environment, run_python

pytestmark = pytest.mark.slow

SCRIPT = """
import numba.core.caching as caching
names = [name for name in dir(caching) if name.endswith("CacheLocator")]
for name in names:  # numba has them with and without a leading underscore
    if "UserProvided" not in name:
        getattr(caching, name).from_function = classmethod(lambda cls, function, path: None)
assert len(names) > 2
import numpy as np
import lerf_core
# The kernel that is compiled soonest.
out = lerf_core.rescale(np.full((3, 4), 9, np.uint8), 2, kernel="linear")
assert (out == 9).all() and out.shape == (6, 8)
"""


def test_a_read_only_installation_works(tmp_path):
    env = environment("numba", TMPDIR=tmp_path)
    env.pop("NUMBA_CACHE_DIR", None)
    done = run_python(SCRIPT, env=env)
    assert "each run compiles them: no folder for them can be written" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
