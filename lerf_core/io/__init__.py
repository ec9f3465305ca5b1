"""Image files: a format is one module with its reader and its writer."""
