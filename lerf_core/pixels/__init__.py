"""Pixel values: value ranges, alpha, missing values, and blending with the border."""
