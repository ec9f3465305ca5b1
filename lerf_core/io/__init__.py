"""Image files: a format is one codec, a module or a folder that `registry` lists."""
