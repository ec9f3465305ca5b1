"""Whole images and tiles are read alike: pixels, layout, metadata, notes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.files import KINDS, smooth_rgb, write_kind

from lerf_core.io.reading import open_reader, read_header, read_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("kinds")


@pytest.mark.parametrize("name", KINDS)
def test_read_whole_and_by_regions(folder, name):
    path = write_kind(name, folder, smooth_rgb(40, 50))
    image = read_image(path)
    with open_reader(path) as reader:
        np.testing.assert_array_equal(reader[...], image.frames[0])
        np.testing.assert_array_equal(reader[3:20, 17:23], image.frames[0][3:20, 17:23])
        assert reader.dtype == image.dtype
        assert (reader.layout, reader.is_premultiplied) == (image.layout, image.premultiplied)
        assert reader.notes == image.notes
        assert reader.metadata == image.metadata
    header = read_header(path)
    assert (header.shape, header.frames) == (image.shape, 1)
