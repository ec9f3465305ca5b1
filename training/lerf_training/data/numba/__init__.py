"""Compiled kernels that draw samples."""
