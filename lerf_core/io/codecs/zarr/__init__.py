"""Zarr and OME-Zarr, by chunks."""
