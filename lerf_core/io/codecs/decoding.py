"""Formats without tiles: read by regions, they are decoded as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lerf_core.io.codec import Codec, refuse_levels_and_series

if TYPE_CHECKING:
    from lerf_core.io.tiles.decoded_reader import DecodedReader

__all__ = ["DecodingCodec"]


class DecodingCodec(Codec):
    """A format without tiles: read by regions, it is decoded as a whole."""

    def open_reader(self, path: str, options: dict[str, Any]) -> DecodedReader:
        """See `Codec`."""
        from lerf_core.io.tiles.decoded_reader import DecodedReader

        refuse_levels_and_series(path, options)
        return DecodedReader(path, options, self)
