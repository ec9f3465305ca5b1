"""Zarr and OME-Zarr, by chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lerf_core.io.codec import Codec, OpenFile

if TYPE_CHECKING:
    from lerf_core.io.codecs.zarr.reader import ZarrReader
    from lerf_core.io.codecs.zarr.writer import ZarrWriter
    from lerf_core.io.results.claims import Claim
    from lerf_core.io.tiles.tiled_writer import WriterSpec

__all__ = ["ZarrCodec"]


class ZarrCodec(Codec):
    """Folders of Zarr, and addresses of remote storage."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`; a Zarr is no file."""
        del file
        return False

    def open_reader(self, path: str, options: dict[str, Any]) -> ZarrReader:
        """See `Codec`."""
        from lerf_core.io.codecs.zarr.reader import ZarrReader

        return ZarrReader(path, options)

    def open_writer(
        self, path: str, spec: WriterSpec, claim: Claim, *, resume: bool, overwrite: bool
    ) -> ZarrWriter:
        """See `Codec`."""
        from lerf_core.io.codecs.zarr.writer import ZarrWriter

        return ZarrWriter(path, spec, claim, resume=resume, overwrite=overwrite)
