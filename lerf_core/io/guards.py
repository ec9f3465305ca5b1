"""What stands around every decoder: limits on pixels, silence, and errors of one line."""

from __future__ import annotations

import logging
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from PIL import Image, ImageFile, UnidentifiedImageError

from lerf_core.errors import FileError, one_line

__all__ = [
    "check_jpeg_ls", "check_pixels", "check_samples", "guarded_decoding", "quiet_decoders",
    "quiet_libraries",
]  # fmt: skip

# A damaged file must fail, never come out half grey.
ImageFile.LOAD_TRUNCATED_IMAGES = False
# Pillow's limit belongs to the process: whoever sets it is alone with it.
_LIMIT_LOCK = threading.RLock()
_LOGGERS = tuple(logging.getLogger(name) for name in ("tifffile", "PIL", "imageio", "imagecodecs"))
# Decoders also run in threads of their own. Where nobody listens, Python would print what they log.
for _logger in _LOGGERS:
    _logger.addHandler(logging.NullHandler())
# What a pixel has at most where the limit on pixels is all: RGBA, CMYK.
_USUAL_SAMPLES = 4


def check_pixels(pixels: int, max_pixels: int, what: str) -> None:
    """Refuse a number of pixels above the limit.

    Raises
    ------
    FileError
        Naming both numbers and the option that raises the limit.
    """
    if pixels > max_pixels:
        raise FileError(
            f"{what} {pixels:,} pixels, above the limit of {max_pixels:,}: "
            "raise it with --max-pixels if this is meant"
        )


def check_samples(pixels: int, samples: int, max_pixels: int, what: str) -> None:
    """Refuse a number of pixels above the limit; those of many samples count as several.

    Parameters
    ----------
    pixels : int
        Over all frames.
    samples : int
        Of a pixel: each 4 of them, begun or full, count as a pixel.
    max_pixels : int
    what : str
        Begins the message, such as "claims".

    Raises
    ------
    FileError
    """
    weight = max(1, -(-samples // _USUAL_SAMPLES))
    if weight == 1 or pixels > max_pixels:
        check_pixels(pixels, max_pixels, what)
    elif pixels * weight > max_pixels:
        raise FileError(
            f"{what} {pixels:,} pixels of {samples} samples, as many as {pixels * weight:,} "
            f"pixels of {_USUAL_SAMPLES}, above the limit of {max_pixels:,}: "
            "raise it with --max-pixels if this is meant"
        )


def check_jpeg_ls(data: bytes) -> None:
    """Refuse a JPEG-LS without its end: the decoder looks for it for many seconds.

    Raises
    ------
    FileError
    """
    if not data.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise FileError("damaged: the file ends before its pixels do")


class _Shared:
    """A context manager that is entered by the first thread within, and left by the last."""

    def __init__(self, manager: Callable[[], AbstractContextManager[None]]) -> None:
        self._manager, self._within = manager, 0
        self._lock, self._ending = threading.Lock(), ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._within == 0:
                self._ending.enter_context(self._manager())
            self._within += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._within -= 1
            if self._within == 0:
                self._ending.close()


@contextmanager
def _without_logs() -> Iterator[None]:
    levels = [logger.level for logger in _LOGGERS]
    for logger in _LOGGERS:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(_LOGGERS, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


_WITHOUT_LOGS, _WITHOUT_WARNINGS = _Shared(_without_logs), _Shared(_without_warnings)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Hold warnings and logs of image libraries back within a ``with``, in any thread."""
    # Filters of warnings belong to the process, or to a thread (free-threaded Python 3.14).
    each_its_own = getattr(sys.flags, "context_aware_warnings", False)
    with _WITHOUT_LOGS, _without_warnings() if each_its_own else _WITHOUT_WARNINGS:
        yield


@contextmanager
def quiet_decoders(max_pixels: int) -> Iterator[None]:
    """Do as `quiet_libraries`, and set Pillow's limit, for one thread at a time."""
    with _LIMIT_LOCK, quiet_libraries():
        before = Image.MAX_IMAGE_PIXELS
        # Pillow refuses images of more than twice this.
        Image.MAX_IMAGE_PIXELS = (max_pixels + 1) // 2
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


@contextmanager
def guarded_decoding(max_pixels: int) -> Iterator[None]:
    """Turn whatever a decoder raises within a ``with`` into a `FileError` of one line."""
    try:
        with quiet_decoders(max_pixels):
            yield
    except FileError:
        raise
    except Image.DecompressionBombError as error:
        claim = re.search(r"\((\d+) pixels\)", str(error))
        pixels = f"{int(claim[1]):,} pixels" if claim else "too many pixels"
        raise FileError(
            f"claims {pixels}, above the limit of {max_pixels:,}: "
            "raise it with --max-pixels if this is meant"
        ) from error
    except UnidentifiedImageError as error:
        raise FileError("not an image of a known format, or damaged at its start") from error
    except MemoryError as error:
        raise FileError("not enough memory to read it") from error
    except OSError as error:
        text = one_line(error)
        raise FileError(text if error.errno else f"damaged: {text}") from error
    # Decoders raise whatever a damaged byte leads them to: none of it is a fault of the program.
    except Exception as error:
        raise FileError(f"damaged or unsupported: {one_line(error)}") from error
