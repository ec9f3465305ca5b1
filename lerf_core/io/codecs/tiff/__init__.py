"""TIFF and BigTIFF: whole, and by tiles."""
