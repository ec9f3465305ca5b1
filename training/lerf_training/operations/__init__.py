"""The method's steps as training takes them: compiled on the CPU, torch's operations elsewhere.

Each function has the interface of its namesake in `lerf_core.backends.torch`, or takes the
points of a training sample. Float32 tensors on the CPU go through kernels (numba, forward and
backward written out, all cores) that sum in one order whatever the number of threads; all others,
and those of ``compiled=False``, go through torch's operations. Both give the same values but for
the rounding of float32, and the same derivatives wherever the function has them.
"""
