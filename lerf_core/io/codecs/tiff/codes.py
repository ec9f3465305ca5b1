"""Numbers of TIFF: tags, photometric kinds, compressions, kinds of extra samples."""

# Tags.
DOCUMENT_NAME, DESCRIPTION, MAKE, MODEL = 269, 270, 271, 272
COMPRESSION, PHOTOMETRIC, ORIENTATION = 259, 262, 274
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
SOFTWARE, DATE, ARTIST, HOST_COMPUTER, COPYRIGHT = 305, 306, 315, 316, 33432
PAGE_NAME, PAGE_NUMBER, TRANSFER_FUNCTION = 285, 297, 301
X_POSITION, Y_POSITION = 286, 287
TILE_OFFSETS, TILE_BYTE_COUNTS = 324, 325
YCBCR_COEFFICIENTS, REFERENCE_BLACK_WHITE = 529, 532
XMP, ICC_PROFILE, EXIF, GPS = 700, 34675, 34665, 34853
IPTC, PHOTOSHOP = 33723, 34377
# GeoTIFF: keys of the system of coordinates with their numbers and texts, places of pixels.
GEO_KEYS, GEO_DOUBLES, GEO_TEXTS = 34735, 34736, 34737
PIXEL_SCALE, TIE_POINTS, GEO_MATRIX, RPC = 33550, 33922, 34264, 50844
GDAL_METADATA, GDAL_NODATA = 42112, 42113
#: Texts that describe the image as a whole; other texts describe one file's own layout.
TEXTS = frozenset({
    DOCUMENT_NAME, DESCRIPTION, MAKE, MODEL, SOFTWARE, DATE, ARTIST, HOST_COMPUTER, COPYRIGHT,
})  # fmt: skip

#: Further tags that describe an image, and hold for other pixels as well: EXIF's own, where they
#: stand in the first directory (TIFF/EP), colours, ratings, what Windows and printers add.
DESCRIPTIVE = TEXTS | {11, 318, 319, 18246, 18249, 32781, 37500, 50341} | frozenset({
    *range(33434, 33438), 34850, 34852, 34855, *range(34856, 34870), *range(36864, 36900),
    *range(37121, 37389), *range(37390, 37400), 37510, 37520, 37521, 37522, *range(37888, 37894),
    *range(40091, 40096), 40960, 40961, 40964, *range(41483, 42038), 42080, 42081, 42082, 42240,
})  # fmt: skip
#: Tags that say how pixels are stored: a writer sets its own.
STORAGE = frozenset({
    *range(254, 260), *range(262, 267), 273, 274, *range(277, 285), 288, 289, 290, 291, 292, 293,
    296, 317, *range(320, 344), 347, 351, *range(400, 405), 433, 434, *range(512, 522),
    *range(529, 533), 559, 32995, 32996, 32997, 32998, 34665, 34853, 40965, 59932,
})  # fmt: skip
#: Tags whose meaning other fields of metadata hold.
TOLD_ELSEWHERE = frozenset({
    PAGE_NAME, PAGE_NUMBER, XMP, ICC_PROFILE, IPTC, PHOTOSHOP, GEO_KEYS, GEO_DOUBLES, GEO_TEXTS,
    PIXEL_SCALE, TIE_POINTS, GEO_MATRIX, RPC, GDAL_METADATA, GDAL_NODATA, 50838, 50839,
})  # fmt: skip

# A mask: a bit of NewSubfileType, and the photometric interpretation.
MASK = 4
# Photometric interpretations.
MINISWHITE, MINISBLACK, RGB, PALETTE, SEPARATED, YCBCR, CIELAB = 0, 1, 2, 3, 5, 6, 8
ICCLAB, ITULAB = 9, 10
LABS = frozenset({CIELAB, ICCLAB, ITULAB})

NO_COMPRESSION = 1
#: Compressions whose decoders yield RGB from YCbCr.
JPEG = frozenset({6, 7, 33007, 34892})
OLD_JPEG, NEW_JPEG = 6, 7
#: JPEG 2000 whose samples are YCbCr, whatever the photometric tag says (Aperio).
JPEG2000_YCBCR = 33003
FAX = frozenset({2, 3, 4})
DEFLATE = frozenset({8, 32946, 50013})
#: Compressions of bytes, whatever their meaning: LZW, PackBits, LZMA, Zstandard.
OF_BYTES = frozenset({5, 32773, 34925, 34926, 50000})

# Value of FillOrder for bytes whose lowest bit comes first.
LOW_BITS_FIRST = 2

# Kinds of extra samples.
UNSPECIFIED, ASSOCIATED, UNASSOCIATED = 0, 1, 2

# Types of a tag's value.
BYTE, ASCII, SHORT, LONG, UNDEFINED, DOUBLE, LONG8 = 1, 2, 3, 4, 7, 12, 16
RATIONAL, SRATIONAL = 5, 10
RATIONALS = frozenset({RATIONAL, SRATIONAL})
