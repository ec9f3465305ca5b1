"""lerf in other programs: a napari plugin, and filters for image-processing pipelines."""
