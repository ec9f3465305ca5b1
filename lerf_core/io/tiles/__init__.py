"""Images read and written by regions, whatever their format."""
