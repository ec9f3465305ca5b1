"""The specification in plain NumPy."""
