"""Pixel values: value ranges, alpha, luma, missing values, and blending with the border."""
