"""Images larger than memory: read, resampled and written tile by tile."""
