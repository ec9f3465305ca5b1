"""Pixel values: value ranges, alpha, missing values."""
