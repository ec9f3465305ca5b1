"""Pillow's resize, transform, contain, cover, fit and pad by lerf's tables.

Arguments and their order are those of `PIL.Image.Image.resize` and ``transform`` and of
`PIL.ImageOps.contain`, ``cover``, ``fit`` and ``pad``, with the image in front. The result has the
image's mode and ``info`` (resolution, colour profile, EXIF, transparency); of an animation it is
the current frame.

=========================================== ==================================================
Mode                                        What happens
=========================================== ==================================================
L, RGB, RGBX, CMYK, YCbCr, LAB, I;16, F, I  channels apart
LA, RGBA                                    colours weighted by alpha
La, RGBa                                    channels apart, colours kept to their alpha
HSV                                         as RGB, and back: hues go round in a circle
1, P, PA                                    nearest pixels, by Pillow: values stand for colours
=========================================== ==================================================

Convention
----------
Sizes are (width, height). Points, boxes and the data of `transform` are (x, y) with (0, 0) in the
*upper left corner* of the first pixel, whose centre is (0.5, 0.5): half a pixel more than
elsewhere in lerf. `transform` takes the map from output to source.
"""

from lerf_plugins.filters.pillow.functions import contain, cover, fit, pad, resize, transform

__all__ = ["contain", "cover", "fit", "pad", "resize", "transform"]
