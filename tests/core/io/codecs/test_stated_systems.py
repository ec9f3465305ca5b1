"""Names of systems of coordinates, from GeoTIFF's keys."""

from __future__ import annotations

import pytest

from lerf_core.io.codecs.tiff.geo_keys import stated_system
from lerf_core.io.metadata.georeference import Georeference

USER = 32_767


def keys(*entries, texts=""):
    directory = (1, 1, 0, len(entries), *(number for entry in entries for number in entry))
    return ((34735, directory), (34737, texts))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ((), ("", "")),
        (keys((2048, 0, 1, 4326), (1024, 0, 1, 2)), ("EPSG:4326", "")),
        # A projected system is of a geographic one, which does not name it.
        (keys((1024, 0, 1, 1), (2048, 0, 1, 4326), (3072, 0, 1, 32632)), ("EPSG:32632", "")),
        (keys((1024, 0, 1, 1), (2048, 0, 1, 4326)), ("", "")),
        (keys((3072, 0, 1, USER), (1026, 34737, 8, 0), texts="my grid|"), ("", "my grid")),
        (
            keys((3072, 0, 1, 3857), (1026, 34737, 2, 0), (3073, 34737, 3, 2), texts="a|bc|"),
            ("EPSG:3857", "bc"),
        ),
        (keys((2048, 0, 1, 4326), (2049, 34737, 99, 50), texts="short|"), ("EPSG:4326", "")),
        (((34735, (1, 1, 0, 2, 2048, 0)),), ("", "")),  # cut short
        (((34735, "text"),), ("", "")),
    ],
)
def test_code_and_name(given, named):
    assert stated_system(given) == named


def test_bounds_of_a_turned_image_hold_all_corners():
    place = Georeference((0.0, 2.0, 10.0, 3.0, 0.0, 20.0))
    assert place.bounds((4, 5)) == (10.0, 20.0, 18.0, 35.0)
    assert Georeference().bounds((4, 5)) is None
