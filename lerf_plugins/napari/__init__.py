"""The napari plugin: resize and warp layers, bake their transforms, look at their functions."""
