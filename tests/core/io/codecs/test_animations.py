"""Animations: frames as they are seen, times and repetitions, read and written."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from lerf_core.errors import FileError
from lerf_core.io.codec import Encoding
from lerf_core.io.formats import FORMATS
from lerf_core.io.image import DecodedImage
from lerf_core.io.metadata.model import Metadata
from lerf_core.io.reading import open_reader, read_header, read_image
from lerf_core.io.writing import encode_to_bytes

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
KEPT, CLEARED, RESTORED = 1, 2, 3


def compressed(index, count):
    """Return pixels of one index, as GIF compresses them: clear codes keep codes at 3 bits."""
    bits = "".join(f"{code:03b}"[::-1] for _ in range(count) for code in (4, index)) + "101"
    data = bytes(int(bits[place : place + 8][::-1], 2) for place in range(0, len(bits), 8))
    blocks = [data[place : place + 255] for place in range(0, len(data), 255)]
    return b"\2" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def gif(screen, frames, background=3, palette=(RED, GREEN, BLUE, WHITE)):
    """Return a GIF; a frame is (left, top, cols, rows, index, disposal, clear index or None)."""
    pieces = [b"GIF89a", struct.pack("<2H3B", *screen, 0x81, background, 0)]
    pieces.append(bytes(value for colour in palette for value in colour))
    for number, (left, top, cols, rows, index, disposal, clear) in enumerate(frames):
        flags = disposal << 2 | (clear is not None)
        pieces.append(b"!\xf9\4" + struct.pack("<BHBB", flags, 5 + number, clear or 0, 0))
        pieces.append(b"," + struct.pack("<4HB", left, top, cols, rows, 0))
        pieces.append(compressed(index, rows * cols))
    return b"".join(pieces) + b";"


def test_frames_are_laid_over_each_other(tmp_path):
    data = gif((4, 2), [
        (0, 0, 2, 2, 0, KEPT, None), (1, 0, 1, 1, 1, CLEARED, 3), (3, 0, 1, 2, 2, RESTORED, None),
        (2, 0, 1, 1, 3, CLEARED, None), (9, 9, 1, 1, 0, KEPT, None),
    ])  # fmt: skip
    image = read_image(data)
    assert image.layout == "RGBA"
    assert image.metadata.durations == (50, 60, 70, 80, 90)
    clear = (0, 0, 0, 0)
    red, green, blue, white = ((*colour, 255) for colour in (RED, GREEN, BLUE, WHITE))
    expected = [
        [red, red, clear, clear],
        [red, green, clear, clear],
        [red, clear, clear, blue],
        [red, clear, white, clear],
        [red, clear, white, clear],
    ]
    for frame, row in zip(image.frames, expected, strict=True):
        assert [tuple(pixel) for pixel in frame[0].tolist()] == row
    path = tmp_path / "a.gif"
    path.write_bytes(data)
    with open_reader(path) as reader:
        np.testing.assert_array_equal(reader[...], image.frames[0])
        assert "the first of 5 frames read" in reader.notes


def test_without_clear_pixels_the_background_is_shown():
    data = gif((2, 1), [(0, 0, 2, 1, 0, CLEARED, None), (0, 0, 1, 1, 1, KEPT, None)])
    image = read_image(data)
    assert image.layout == "RGB"
    assert image.frames[1].tolist() == [[list(GREEN), list(WHITE)]]


def test_a_cut_gif_fails():
    data = gif((2, 1), [(0, 0, 2, 1, 0, CLEARED, None), (0, 0, 1, 1, 1, KEPT, None)])
    with pytest.raises(FileError):
        read_image(data[:-8])


def frames_of(rng, kind):
    """Return frames with a square that moves on clear ground, some of them opaque instead."""
    opaque = {"moving": (), "opaque first": (0,), "opaque but last": (0, 1, 2)}[kind]
    frames = []
    for number in range(4):
        frame = np.zeros((24, 30, 4), np.uint8)
        frame[..., :3] = rng.integers(0, 4, (24, 30, 3)) * 80
        frame[3 + 4 * number : 9 + 4 * number, 2:20, 3] = 255
        if number in opaque:
            frame[..., 3] = 255
        frames.append(frame)
    return frames


@pytest.mark.parametrize("kind", ["moving", "opaque first", "opaque but last"])
@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG"])
def test_clear_pixels_stay_clear_in_all_frames(rng, kind, name):
    frames = frames_of(rng, kind)
    metadata = Metadata(durations=(100.0, 200.0, 300.0, 400.0), loop=0)
    image = DecodedImage(frames, "RGBA", name, metadata)
    data, written = encode_to_bytes(image, FORMATS[name], Encoding())
    assert written.notes == ()
    again = read_image(data)
    assert (again.metadata.durations, again.metadata.loop) == (metadata.durations, 0)
    for number, (frame, result) in enumerate(zip(frames, again.frames, strict=True)):
        np.testing.assert_array_equal(result[..., 3], frame[..., 3])
        seen = frame[..., 3] > 0
        np.testing.assert_allclose(result[seen], frame[seen], atol=0)
        # By another reader too.
        picture = Image.open(io.BytesIO(data))
        picture.seek(number)
        np.testing.assert_array_equal(np.array(picture.convert("RGBA"))[..., 3], frame[..., 3])


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG"])
def test_joined_frames_are_told(rng, name):
    frames = [rng.integers(0, 4, (8, 9, 3), np.uint8) * 80] * 3 + [np.zeros((8, 9, 3), np.uint8)]
    image = DecodedImage(frames, "RGB", name, Metadata(durations=(100.0,) * 4, loop=0))
    data, written = encode_to_bytes(image, FORMATS[name], Encoding())
    assert read_image(data).metadata.durations == (300, 100)
    assert written.notes == (
        "2 frames that repeat the one before joined with it, their times added",
    )
    image = DecodedImage(frames[:3], "RGB", name, Metadata(durations=(100.0,) * 3, loop=0))
    _, written = encode_to_bytes(image, FORMATS[name], Encoding())
    assert written.notes == ("3 frames that are all alike became a still image",)


def test_times_that_gif_cannot_hold(rng):
    frames = [rng.integers(0, 256, (8, 9, 3), np.uint8) for _ in range(2)]
    image = DecodedImage(frames, "RGB", "WEBP", Metadata(durations=(167.0, 33.0)))
    data, written = encode_to_bytes(image, FORMATS["GIF"], Encoding())
    assert read_image(data).metadata.durations == (170, 30)
    assert written.notes == ("times of frames rounded to 1/100 s",)


def test_grey_animations_stay_grey(rng):
    pictures = [Image.fromarray(rng.integers(0, 256, (8, 9), np.uint8)) for _ in range(3)]
    stream = io.BytesIO()
    pictures[0].save(stream, "PNG", save_all=True, append_images=pictures[1:], default_image=True)
    image, header = read_image(stream.getvalue()), read_header(stream.getvalue())
    assert image.layout == "L"
    # The first is the still image beside the animation.
    assert len(image.frames) == header.frames == 2
    for frame, picture in zip(image.frames, pictures[1:], strict=True):
        np.testing.assert_array_equal(frame, np.array(picture))
    assert "the still image beside the animation left out" in image.notes
