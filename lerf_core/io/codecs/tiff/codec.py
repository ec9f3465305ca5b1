"""TIFF and BigTIFF, whole and by tiles; what does the work is imported when it is used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from lerf_core.io.codec import Codec, Encoding, Header, OpenFile, opened
from lerf_core.io.guards import check_pixels, quiet_decoders

if TYPE_CHECKING:
    from lerf_core.io.codecs.tiff.imagej_writer import ImageJWriter
    from lerf_core.io.codecs.tiff.writer import TiffWriter
    from lerf_core.io.formats import Format
    from lerf_core.io.image import DecodedImage
    from lerf_core.io.results.claims import Claim
    from lerf_core.io.tiles.tiled_reader import TiledReader
    from lerf_core.io.tiles.tiled_writer import WriterSpec

__all__ = ["TiffCodec"]


class TiffCodec(Codec):
    """TIFF of every depth, by tifffile."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        return file.head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}

    def is_described(self, source: Path | bytes) -> bool:
        """Tell whether a file, or its data, is a TIFF whose pages a description orders."""
        from lerf_core.io.codecs.tiff import stacks

        try:
            with opened(source) as file, quiet_decoders(2**62):
                if not self.recognizes(file):
                    return False
                return stacks.read_header(file, 2**62) is not None
        except Exception:  # noqa: BLE001 - whatever is wrong with it is told when it is read
            return False

    def read_header(self, file: OpenFile, max_pixels: int) -> Header:
        """See `Codec`."""
        from lerf_core.io.codecs.tiff import stacks, whole

        header = stacks.read_header(file, max_pixels) or whole.read_header(file, max_pixels)
        check_pixels(header.shape[0] * header.shape[1] * header.frames, max_pixels, "claims")
        return header

    def read(
        self, file: OpenFile, max_pixels: int, *, labels: bool = False, first_only: bool = False
    ) -> DecodedImage:
        """See `Codec`; all pages are read, or the first stack that a description tells of."""
        from lerf_core.io.codecs.tiff import stacks, whole

        del first_only
        stack = stacks.read(file, max_pixels, labels=labels)
        return stack or whole.read(file, max_pixels, labels=labels)

    def write(
        self, stream: BinaryIO, image: DecodedImage, target: Format, encoding: Encoding
    ) -> tuple[str, ...]:
        """See `Codec`."""
        from lerf_core.io.codecs.tiff import whole

        del target, encoding
        whole.write(stream, image)
        return ()

    def open_reader(self, path: str, options: dict[str, Any]) -> TiledReader:
        """See `Codec`."""
        from lerf_core.io.codecs.tiff.masked_reader import MaskedTiffReader
        from lerf_core.io.codecs.tiff.reader import TiffReader

        image = TiffReader(path, options)
        if image.mask_place is None:
            return image
        series, level = image.mask_place
        own = {"series": series, "level": level, "orientation": image.orientation, "labels": False}
        try:
            return MaskedTiffReader(image, TiffReader(path, options | own), options)
        except BaseException:
            image.close()
            raise

    def open_writer(
        self, path: str, spec: WriterSpec, claim: Claim, *, resume: bool, overwrite: bool
    ) -> TiffWriter | ImageJWriter:
        """See `Codec`."""
        if spec.format == "ImageJ":
            from lerf_core.io.codecs.tiff.imagej_writer import ImageJWriter

            return ImageJWriter(Path(path), spec, claim, resume=resume, overwrite=overwrite)
        from lerf_core.io.codecs.tiff.writer import TiffWriter

        return TiffWriter(Path(path), spec, claim, resume=resume, overwrite=overwrite)
