"""Systems of coordinates in GeoTIFF's keys: as GDAL writes and reads them."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

pyproj = pytest.importorskip("pyproj")

from lerf_core.errors import FileError  # noqa: E402
from lerf_core.geometry.coordinate_systems import named_system  # noqa: E402
from lerf_core.io.codecs.tiff.geo import geo_tags  # noqa: E402
from lerf_core.io.codecs.tiff.geo_keys import keys_of_system, system_of_keys  # noqa: E402
from lerf_core.io.metadata.georeference import Georeference  # noqa: E402
from lerf_core.io.reading import open_reader  # noqa: E402

TRANSFORM = (10.0, 0.0, 4e5, 0.0, -10.0, 5e6)
SYSTEMS = [
    "EPSG:32632", "EPSG:4326", "EPSG:3413", "EPSG:3031", "EPSG:2056", "EPSG:27700", "EPSG:2263",
    "EPSG:3857", "ESRI:54030", "ESRI:54009", "ESRI:102003",
    "+proj=laea +lat_0=52 +lon_0=10 +x_0=4321000 +ellps=GRS80 +type=crs",
    "+proj=aea +lat_1=29.5 +lat_2=45.5 +lat_0=37.5 +lon_0=-96 +datum=NAD83 +units=us-ft +type=crs",
    "+proj=sinu +R=6371007.181 +units=m +type=crs",
    "+proj=lcc +lat_1=40 +lat_2=50 +lat_0=45 +lon_0=3 +type=crs",
    "+proj=stere +lat_0=90 +lat_ts=70 +lon_0=-45 +datum=WGS84 +type=crs",
    "+proj=stere +lat_0=-90 +lat_ts=-71 +lon_0=0 +datum=WGS84 +type=crs",
    "+proj=tmerc +lat_0=10 +lon_0=20 +k=0.9996 +x_0=1000 +ellps=bessel +type=crs",
    "+proj=eqc +lat_ts=30 +lon_0=5 +type=crs", "+proj=longlat +R=6371000 +type=crs",
    "+proj=merc +lon_0=150 +type=crs", "+proj=cea +lat_ts=30 +type=crs",
]  # fmt: skip


def difference(system, other):
    """Return how far apart two systems place some points, in their units."""
    crs, other_crs = pyproj.CRS.from_user_input(system), pyproj.CRS.from_user_input(other)
    area = crs.area_of_use
    west, south = (9.0, 47.0) if area is None else (area.west, area.south)
    lon, lat = np.array([west + 2, west + 4]), np.array([south + 2, south + 3])
    points = [
        pyproj.Transformer.from_crs(c.geodetic_crs, c, always_xy=True).transform(lon, lat)
        for c in (crs, other_crs)
    ]
    assert np.isfinite(points).all()
    return float(np.abs(np.subtract(*points)).max())


def written(path, system):
    tags = geo_tags(Georeference(TRANSFORM, keys_of_system(named_system(system))), "", None)
    tifffile.imwrite(path, np.zeros((4, 4), np.uint8), metadata=None, extratags=tags)
    return path


def system_of(path):
    with open_reader(str(path)) as reader:
        return system_of_keys(reader.metadata.georeference.keys)


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_is_written_is_read_again(tmp_path, system):
    read = system_of(written(tmp_path / "a.tif", system))
    assert difference(system, read) < 1e-6
    if system.startswith("EPSG"):
        assert read == system


@pytest.mark.parametrize("system", SYSTEMS)
def test_gdal_reads_it(tmp_path, system):
    rasterio = pytest.importorskip("rasterio")
    with rasterio.open(written(tmp_path / "a.tif", system)) as file:
        assert difference(system, file.crs.to_wkt()) < 1e-6


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_gdal_writes_is_read(tmp_path, system):
    rasterio = pytest.importorskip("rasterio")
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=4, width=4, count=1, dtype="uint8", crs=system,
        transform=rasterio.Affine(*TRANSFORM),
    ) as file:  # fmt: skip
        file.write(np.zeros((1, 4, 4), np.uint8))
    assert difference(system, system_of(path)) < 1e-6


@pytest.mark.parametrize(("keys", "words"), [
    ((), "names no system"), (((34735, (1, 1, 0)),), "names no system"),
    (((34735, (1, 1, 0, 1, 3072, 0, 1, 99)),), "not found"),
    (((34735, (1, 1, 0, 2, 1024, 0, 1, 1, 2048, 0, 1, 4326)),), "method None"),
    (((34735, (1, 1, 0, 1, 2048, 34736, 1, 7)),), "names no system"),
])  # fmt: skip
def test_what_names_no_system_is_told(keys, words):
    with pytest.raises(FileError, match=words) as caught:
        system_of_keys(keys)
    assert "\n" not in str(caught.value)
