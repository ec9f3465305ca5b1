"""The file formats: each is a codec, a module or a folder that `lerf_core.io.registry` lists."""
