"""The numba backend: compiled kernels, and what calls them.

`backend` is the class behind the contract. `kernels` holds all that numba compiles; its modules
import NumPy, numba, each other and `lerf_core.constants` alone, so that a change elsewhere makes
no compiled kernel stale.
"""
