"""Fronts: what enlarges an image by a whole number before its pixels are resampled."""
