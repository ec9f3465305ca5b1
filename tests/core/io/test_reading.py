import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile
from support.files import orientation_chunk, png16

from lerf_core.errors import FileError, InvalidArgumentError, InvalidTypeError
from lerf_core.io.reading import open_reader
from lerf_core.io.tiles.chunk_cache import ChunkCache
from lerf_core.io.tiles.regions import RegionIndexError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (40, 50, 3), np.uint8)
PIXELS = RNG.integers(0, 65536, (3, 40, 50), np.uint16)


@pytest.fixture
def npy(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, PIXELS)
    return path


@settings(max_examples=25)
@given(st.data())
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_window_of_an_npy(tmp_path_factory, order, data):
    path = tmp_path_factory.getbasetemp() / f"window-{order}.npy"
    np.save(path, np.asarray(PIXELS, ">u2", order=order))
    part = st.integers(-60, 60)
    slices = st.builds(slice, part | st.none(), part | st.none(), st.sampled_from([None, 1]))
    index = tuple(data.draw(slices | st.integers(-length, length - 1)) for length in PIXELS.shape)[
        : data.draw(st.integers(0, 3))
    ]
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(index)))
        index = (*index[:place], ..., *index[place:])
    with open_reader(path) as source:
        assert source.dtype == np.uint16
        found = source[index]
    assert np.shape(found) == PIXELS[index].shape
    np.testing.assert_array_equal(found, PIXELS[index])


def test_npy(npy, tmp_path):
    with open_reader(str(npy)) as source:
        assert (source.format, source.axes, source.channel_axis) == ("NPY", "QYX", None)
        assert (source.ndim, source.size, source.nbytes, len(source)) == (3, 6000, 12000, 3)
        assert source.chunks == (1, 40, 50)
        assert source.levels == 1
        with pickle.loads(pickle.dumps(source)) as again:
            np.testing.assert_array_equal(again[...], PIXELS)
        assert [plane.shape for plane in source] == [(40, 50)] * 3
    np.save(npy, RGB)
    with open_reader(npy) as source:
        assert (source.axes, source.channel_axis) == ("YXS", 2)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4), complex), "complex128"),
        (np.zeros((4, 4), "U3"), "<U3"),
        (np.zeros((4, 4), [("a", "u1")]), "a"),
        (np.zeros(4), "no image"),
        (np.zeros((4, 0)), "no image"),
    ],
)
def test_arrays_that_are_refused(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(FileError, match=message):
        open_reader(tmp_path / "a.npy")


def test_object_arrays_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1, None]], object), allow_pickle=True)
    with pytest.raises(FileError, match="object"):
        open_reader(tmp_path / "a.npy")


def test_damaged_npy(npy):
    data = npy.read_bytes()
    npy.write_bytes(data[:-10])
    with pytest.raises(FileError, match=r"damaged: its values lie at .* ends at"):
        open_reader(npy)
    npy.write_bytes(data[:40])
    with pytest.raises(FileError, match=r"damaged \.npy file"):
        open_reader(npy)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (slice(None, None, 2), "step 2 on axis 0"),
        (slice(None, None, -1), "step -1"),
        (3, "index 3 is outside axis 0 of length 3"),
        ((0, -41), "index -41 is outside axis 1 of length 40"),
        ((0, 0, 0, 0), "too many indices: 4 for 3 axes"),
        ((..., ...), "one ellipsis"),
        (True, "got True on axis 0"),
        (None, "got None"),
        ([0, 1], "an index is an integer or a slice"),
        (1.0, "got 1.0"),
    ],
)
def test_indices_that_are_refused(npy, index, message):
    with open_reader(npy) as source, pytest.raises(RegionIndexError, match=message) as raised:
        source[index]
    assert isinstance(raised.value, IndexError)


@pytest.mark.parametrize(
    ("name", "pixels", "axes"),
    [
        ("a.png", RGB, "YXS"),
        ("b.png", RGB[..., 0], "YX"),
        ("c.png", PIXELS[0], "YX"),
        ("d.webp", RGB, "YXS"),
        ("e.bmp", RGB, "YXS"),
    ],
)
def test_rasters(tmp_path, name, pixels, axes):
    path = tmp_path / name
    Image.fromarray(pixels).save(path, lossless=True, dpi=(200, 100), icc_profile=b"profile")
    with open_reader(path) as source:
        assert source.decoded_chunks == 0
        assert (source.axes, source.shape, source.dtype) == (axes, pixels.shape, pixels.dtype)
        np.testing.assert_array_equal(source[...], pixels)
        np.testing.assert_array_equal(source[3, 4:9], pixels[3, 4:9])
        assert source.chunks == source.shape
        if name.endswith("png"):
            assert source.metadata.icc == b"profile"
            assert source.metadata.dpi == pytest.approx((200, 100), abs=0.1)
        with pickle.loads(pickle.dumps(source)) as again:
            np.testing.assert_array_equal(again[5], pixels[5])


def test_jpeg_that_lies_on_its_side(tmp_path):
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(RGB).save(path, exif=exif)
    upright = np.rot90(np.asarray(Image.open(path)), -1)
    with open_reader(path) as source:
        assert source.shape == (50, 40, 3)
        np.testing.assert_array_equal(source[...], upright)


def test_palettes_masks_and_frames(tmp_path):
    first = Image.fromarray(RGB).quantize(16)
    first.save(tmp_path / "a.png")
    with open_reader(tmp_path / "a.png") as source:
        np.testing.assert_array_equal(source[...], np.asarray(first.convert("RGB")))
        assert source.notes == ("palette expanded to RGB",)
    Image.fromarray(RGB[..., 0] > 99).save(tmp_path / "b.png")
    with open_reader(tmp_path / "b.png") as source:
        np.testing.assert_array_equal(source[...], (RGB[..., 0] > 99) * np.uint8(255))
    Image.fromarray(RGB).save(
        tmp_path / "c.gif", save_all=True, append_images=[Image.fromarray(RGB[::-1].copy())]
    )
    with open_reader(tmp_path / "c.gif") as source:
        assert "the first of 2 frames read" in source.notes
        assert source[...].shape == RGB.shape


@pytest.mark.parametrize("samples", [2, 3, 4])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_png_of_16_bit_colours(tmp_path, samples, orientation):
    path = tmp_path / "a.png"
    pixels = RNG.integers(0, 65536, (6, 9, samples), np.uint16)
    # The block lies before the pixels or behind them.
    chunk = orientation_chunk(orientation)
    path.write_bytes(png16(pixels, chunk, behind=orientation % 2 == 0))
    turned = {
        1: pixels, 2: pixels[:, ::-1], 3: np.rot90(pixels, 2), 4: pixels[::-1],
        5: pixels.swapaxes(0, 1), 6: np.rot90(pixels, -1), 7: np.rot90(pixels, 2).swapaxes(0, 1),
        8: np.rot90(pixels),
    }  # fmt: skip
    with open_reader(path) as source:
        assert source.has_alpha == (samples in {2, 4})
        np.testing.assert_array_equal(source[...], turned[orientation])


def test_rasters_that_are_too_large(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    Image.fromarray(RGB).save(path)
    with open_reader(path) as reader:
        needed = reader.bytes_per_read
    assert 40 * 50 * 3 < needed < 40 * 50 * 12
    with pytest.raises(FileError, match=r"takes \d+\.\d kB of memory, 5\.0 kB allowed"):
        open_reader(path, max_decoded_bytes=5000)
    # Pillow's own limit does not apply, and stays as it was.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with open_reader(path, max_decoded_bytes=needed) as source:
        np.testing.assert_array_equal(source[...], RGB)
    assert Image.MAX_IMAGE_PIXELS == 10


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp", "a.gif"])
def test_opening_a_raster_decodes_nothing(tmp_path, monkeypatch, name):
    Image.fromarray(RGB).save(tmp_path / name)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    with open_reader(tmp_path / name) as source:
        assert source.shape == RGB.shape


def test_damaged_rasters(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(RGB).save(path)
    path.write_bytes(path.read_bytes()[:-3000])
    with (
        open_reader(path, max_decoded_bytes=10**6) as source,
        pytest.raises(FileError, match=r"a\.png: "),
    ):
        source[0]
    path.write_bytes(b"nonsense")
    with pytest.raises(FileError, match="no image of a known format"):
        open_reader(path)


def test_paths_that_cannot_be_read(tmp_path, npy):
    with pytest.raises(FileError, match=r"missing\.tif: No such file"):
        open_reader(tmp_path / "missing.tif")
    with pytest.raises(FileError, match="a folder that is no Zarr"):
        open_reader(tmp_path)
    (tmp_path / "empty.tif").touch()
    with pytest.raises(FileError, match="is empty"):
        open_reader(tmp_path / "empty.tif")
    with pytest.raises(FileError, match="level 1, series 0 asked"):
        open_reader(npy, level=1)


@pytest.mark.parametrize(
    "options",
    [
        {"level": -1},
        {"level": 1.5},
        {"series": True},
        {"cache_bytes": -1},
        {"missing": "zero"},
        {"max_decoded_bytes": "1"},
    ],
)
def test_options_that_are_refused(npy, options):
    with pytest.raises(InvalidArgumentError, match=next(iter(options))):
        open_reader(npy, **options)


def test_paths_of_another_type():
    with pytest.raises(InvalidTypeError, match="got int"):
        open_reader(3)
    with pytest.raises(InvalidTypeError, match="got bytes"):
        open_reader(b"a.tif")


def test_an_error_reaches_all_who_wait_and_is_not_kept():
    cache, entered, go_on = ChunkCache(100), threading.Event(), threading.Event()
    errors = []

    def fail():
        entered.set()
        go_on.wait(10)
        raise OSError("no")

    def ask():
        with pytest.raises(OSError, match="no"):
            cache.get(0, fail)
        errors.append(1)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    threads[0].start()
    entered.wait(10)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert len(errors) == 3
    assert cache.get(0, lambda: np.zeros(10)).size == 10
    assert cache.decoded == 1


def test_a_view_counts_as_what_it_keeps_in_memory():
    cache = ChunkCache(100)
    cache.get(0, lambda: np.zeros(1000, np.uint8)[:10])
    assert cache.nbytes == 0
    cache.get(1, lambda: np.zeros(60, np.uint8))
    cache.get(2, lambda: np.zeros(60, np.uint8))
    assert cache.nbytes == 60


def test_importing_is_light():
    code = (
        "import sys, lerf_core.io.reading; "
        "print([m for m in ('zarr', 'tifffile', 'imagecodecs', 'fsspec') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_what_decoders_log_is_not_printed():
    """Where no handler is set, Python prints warnings of any logger that has none."""
    code = (
        "import logging, lerf_core.io.reading\n"
        "for name in ('tifffile', 'PIL', 'imageio', 'imagecodecs'):\n"
        "    logging.getLogger(name).error('heard')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "heard" not in result.stderr + result.stdout
