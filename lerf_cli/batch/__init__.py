"""One operation over many files."""
