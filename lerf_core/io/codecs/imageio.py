"""What no codec here knows and a plugin of imageio may."""

from __future__ import annotations

import numpy as np
from PIL import Image

from lerf_core.errors import FileError
from lerf_core.io.codec import DecodingCodec, Header, OpenFile
from lerf_core.io.formats import GREY, RGB, RGBA
from lerf_core.io.guards import check_pixels
from lerf_core.io.image import DecodedImage

__all__ = ["ImageioCodec"]


class ImageioCodec(DecodingCodec):
    """Files that imageio knows by their suffix."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        from imageio.config import known_extensions

        return file.suffix in known_extensions and file.suffix not in Image.registered_extensions()

    def read_header(self, file: OpenFile, max_pixels: int) -> Header:
        """See `Codec`; the pixels are decoded."""
        image = self.read(file, max_pixels)
        return Header(
            image.format, image.shape, 1, image.layout, image.dtype,
            decoding_bytes=2 * image.frames[0].nbytes, is_decoded=True,
        )  # fmt: skip

    def read(
        self, file: OpenFile, max_pixels: int, *, labels: bool = False, first_only: bool = False
    ) -> DecodedImage:
        """See `Codec`."""
        del labels, first_only
        import imageio.v3 as iio

        try:
            # As bytes: a reader that fails would leave the file itself open.
            pixels = np.asarray(iio.imread(file.rewound().read(), extension=file.suffix))
        # Any plugin may be asked, and each has errors of its own.
        except Exception as error:
            raise FileError(f"no installed reader can read this {file.suffix} file") from error
        layouts = {2: GREY} if pixels.ndim == 2 else {3: RGB, 4: RGBA}
        layout = layouts.get(2 if pixels.ndim == 2 else pixels.shape[-1])
        if layout is None or pixels.ndim not in {2, 3}:
            raise FileError(f"holds an array of shape {pixels.shape}, which is not one image")
        check_pixels(pixels.shape[0] * pixels.shape[1], max_pixels, "holds")
        return DecodedImage([pixels], layout, file.suffix[1:].upper())
