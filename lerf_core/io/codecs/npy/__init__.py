"""Arrays of numpy's own format (.npy): read by rows, written where regions lie."""
