"""Compiled kernels of the training's steps."""
