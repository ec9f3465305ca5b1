"""What numba compiles. Nothing of lerf is imported here but `lerf_core.constants`."""
