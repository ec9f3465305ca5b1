"""Image files: a format is one codec, a module or a folder in `codecs` that `registry` lists."""
