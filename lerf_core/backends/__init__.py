"""The steps of the method behind one contract: the specification, and backends that equal it.

`contract` says what a backend does; `reference` is the specification in plain NumPy, `numba` its
compiled twin, and `torch` the same on devices, with functions of its own for tensors and gradients.
Images travel between the steps as `packed` parameters.
"""

from lerf_core.backends.contract import Backend
from lerf_core.backends.loading import BACKENDS, get_backend

__all__ = ["BACKENDS", "Backend", "get_backend"]
