"""The file that a result is written to: its controls, and whether it may be written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import FileEdit

from lerf_core.errors import InvalidArgumentError, ResultExistsError
from lerf_plugins.napari.compute.lazy import file_behind
from lerf_plugins.napari.widgets.controls import labelled, ticked

if TYPE_CHECKING:
    import napari

__all__ = ["FileTarget"]

_SUFFIX = ".zarr"


class FileTarget:
    """Controls for the OME-Zarr that is to be written.

    Parameters
    ----------
    viewer : napari.Viewer
        Files that its layers show are never replaced.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self.path = labelled(
            "&Zarr file",
            FileEdit(mode="w", filter="OME-Zarr (*.zarr);;All (*)"),
            "The OME-Zarr to write, a folder whose name ends in .zarr.",
        )
        self.replace = ticked(
            "Replace existin&g file",
            "The file that is there stays until the new one is whole.",
        )

    @property
    def controls(self) -> list[Any]:
        """The controls, in order."""
        return [self.path, self.replace]

    @property
    def replaces(self) -> bool:
        """Whether a file that is there may be replaced."""
        return bool(self.replace.value)

    def checked(self) -> str:
        """Return the path to write to.

        Raises
        ------
        InvalidArgumentError, ResultExistsError
            If none is chosen, or something is there that stays.
        """
        text = str(self.path.value)
        if text.strip() in {"", "."}:
            raise InvalidArgumentError("choose a file to write: Zarr file")
        path = Path(text).expanduser().absolute()
        if path.suffix.lower() != _SUFFIX:
            path = path.with_name(path.name + _SUFFIX)
        if not path.parent.is_dir():
            raise InvalidArgumentError(f"there is no folder {path.parent}")
        if not path.exists():
            return str(path)
        if not self.replaces:
            raise ResultExistsError(
                f"{path} exists: choose another name, or tick that it be replaced"
            )
        shown = self._shown_by(path)
        if shown:
            raise InvalidArgumentError(f"{path} is what the layer '{shown}' shows: choose another")
        if not (path / "zarr.json").exists() and not (path / ".zgroup").exists():
            raise InvalidArgumentError(f"{path} is no Zarr: it is not replaced")
        return str(path)

    def _shown_by(self, path: Path) -> str:
        """Return the name of a layer that shows something of a file; "" where none does."""
        place = path.resolve()
        for layer in self._viewer.layers:
            data: Any = getattr(layer, "data", None)
            levels = list(data) if getattr(layer, "multiscale", False) else [data]
            files = {layer.source.path, *map(file_behind, levels)} - {None, ""}
            for source in (Path(file).resolve() for file in files):
                if source == place or place in source.parents:
                    return str(layer.name)
        return ""
