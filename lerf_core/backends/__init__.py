"""The steps of the method behind one contract: the specification, and backends that equal it.

`contract` says what a backend does; `reference` is the specification in plain NumPy, and `numba`
its compiled twin. `torch` computes the same for tensors, with gradients, and has functions of its
own. Images travel between the steps as `packed` parameters.
"""

from lerf_core.backends.contract import Backend
from lerf_core.backends.loading import BACKENDS, get_backend

__all__ = ["BACKENDS", "Backend", "get_backend"]
