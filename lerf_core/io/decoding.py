"""Formats without tiles: what reads them by regions decodes them as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lerf_core.io.codec import Codec, check_single

if TYPE_CHECKING:
    from lerf_core.io.decoded_reader import DecodedReader

__all__ = ["DecodingCodec"]


class DecodingCodec(Codec):
    """A format without tiles: read by regions, it is decoded as a whole."""

    def open_reader(self, path: str, options: dict[str, Any]) -> DecodedReader:
        """See `Codec`."""
        from lerf_core.io.decoded_reader import DecodedReader

        check_single(path, options)
        return DecodedReader(path, options, self)
