"""Arrays of numpy, by tiles alone: the codec; reader and writer are imported when they are used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lerf_core.io.codec import Codec, OpenFile, refuse_levels_and_series

if TYPE_CHECKING:
    from lerf_core.io.codecs.npy.reader import NpyReader
    from lerf_core.io.codecs.npy.writer import NpyWriter
    from lerf_core.io.results.claims import Claim
    from lerf_core.io.tiles.tiled_writer import WriterSpec

__all__ = ["NpyCodec"]


class NpyCodec(Codec):
    """Arrays of numpy, by tiles alone."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        return file.head[:6] == np.lib.format.MAGIC_PREFIX

    def open_reader(self, path: str, options: dict[str, Any]) -> NpyReader:
        """See `Codec`."""
        from lerf_core.io.codecs.npy.reader import NpyReader

        refuse_levels_and_series(path, options)
        return NpyReader(path, options)

    def open_writer(
        self, path: str, spec: WriterSpec, claim: Claim, *, resume: bool, overwrite: bool
    ) -> NpyWriter:
        """See `Codec`."""
        from lerf_core.io.codecs.npy.writer import NpyWriter

        return NpyWriter(Path(path), spec, claim, resume=resume, overwrite=overwrite)
