"""The Save as OME-Zarr widget: a layer into a file, tile by tile."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lerf_plugins.napari.compute.jobs import in_words
from lerf_plugins.napari.compute.to_file import WrittenFile, copy_of, tell_notes, write_file
from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.widgets.controls import ticked
from lerf_plugins.napari.widgets.file_target import FileTarget
from lerf_plugins.napari.widgets.layer_widget import LayerWidget

if TYPE_CHECKING:
    import napari

__all__ = ["SaveWidget"]


class SaveWidget(LayerWidget):
    """Saves an image or labels layer as an OME-Zarr with its pyramid; lazy tiles are computed.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.target = FileTarget(viewer)
        self.opens = ticked(
            "&Open it afterwards", "Add what was written as a layer, a lazy pyramid."
        )
        self.run_button.text = "&Save"
        self.run_button.tooltip = "Write the layer tile by tile, in the background."
        self._lay_out(*self.target.controls, self.opens)

    @in_words
    def run(self) -> None:
        """See `LayerWidget`."""
        image = LayerImage.of(self.layer.value)
        path = self.target.checked()
        self.tell(f"Writing '{image.name}'")
        work = partial(
            write_file, copy_of(image), image.state, path, overwrite=self.target.replaces
        )
        self.job.start(work, f"{image.name} to OME-Zarr", self._written)

    def _written(self, written: WrittenFile) -> None:
        tell_notes(written)
        self.tell(f"Saved to {written.path}")
        if self.opens.value:
            self.viewer.open(written.path, plugin="lerf")
