"""OME-Zarr files for tests: small ones, and large ones of which little is stored."""

import json

import numpy as np


def write_ome_zarr(
    path, levels, axes, *, version="0.5", scale=None, translate=None, units=None, chunks=None,
    placements=None, **block,
):  # fmt: skip
    """Write arrays as the levels of an OME-Zarr image; levels share an outline.

    `axes` are letters. A level is an array, or a shape of which nothing is stored (it is 0) with
    a dtype: (shape, dtype). `placements` are (scale, translation) for each level. What else is
    given goes into the description beside the multiscales ("omero", "image-label", ...).
    """
    import zarr

    zarr_format = 3 if version == "0.5" else 2
    group = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)
    scale = [1.0] * len(axes) if scale is None else scale
    translate = [0.0] * len(axes) if translate is None else translate
    datasets = []
    first = np.shape(levels[0]) if isinstance(levels[0], np.ndarray) else levels[0][0]
    for number, level in enumerate(levels):
        is_stored = isinstance(level, np.ndarray)
        shape, dtype = (level.shape, level.dtype) if is_stored else level
        array = group.create_array(
            str(number), shape=shape, dtype=dtype, chunks=chunks or shape, fill_value=0
        )
        if is_stored:
            array[...] = level
        steps = [whole / part for whole, part in zip(first, shape, strict=True)]
        placement = (
            [s * n for s, n in zip(scale, steps, strict=True)],
            [t + s * (n - 1) / 2 for t, s, n in zip(translate, scale, steps, strict=True)],
        )
        if placements is not None:
            placement = placements[number]
        transforms = [{"type": "scale", "scale": list(placement[0])}]
        if placement[1] is not None:
            transforms.append({"type": "translation", "translation": list(placement[1])})
        datasets.append({"path": str(number), "coordinateTransformations": transforms})
    kinds = {"t": "time", "c": "channel"}
    described = [{"name": axis, "type": kinds.get(axis, "space")} for axis in axes]
    for axis, unit in zip(described, units or [None] * len(axes), strict=True):
        if unit:
            axis["unit"] = unit
    multiscale = {"axes": described, "datasets": datasets}
    if "name" in block:
        multiscale["name"] = block.pop("name")
    attributes = block.pop("attributes", {})
    if version == "0.5":
        group.attrs.update(
            {**attributes, "ome": {"version": version, "multiscales": [multiscale], **block}}
        )
    else:
        group.attrs.update(
            {**attributes, "multiscales": [multiscale | {"version": version}], **block}
        )
    return path


def add_labels(path, name, levels, axes, **options):
    """Write labels into the group of an image, and list them."""
    import zarr

    version = options.get("version", "0.5")
    group = zarr.open_group(str(path), mode="r+")
    labels = group.require_group("labels")
    words = (
        labels.attrs.get("ome", {"version": version}) if version == "0.5" else dict(labels.attrs)
    )
    words["labels"] = [*words.get("labels", []), name]
    labels.attrs.update({"ome": words} if version == "0.5" else words)
    options.setdefault("image-label", {"version": version})
    write_ome_zarr(f"{path}/labels/{name}", levels, axes, **options)
    return path


def stored_level(path, number="0"):
    """Return a level of an image, as zarr has it."""
    import zarr

    return zarr.open_array(f"{path}/{number}", mode="r")


def description(path):
    """Return the attributes of a group of Zarr 3."""
    return json.loads((path / "zarr.json").read_text())["attributes"]


def sparse_pyramid(path, side, tiles, *, chunk=512, dtype=np.uint8, labels=True, **options):
    """Write a pyramid of side x side pixels, of which some squares of 4096 alone are stored.

    `tiles` are (row, col) of the squares' first pixels, multiples of 4096; each shows rings around
    its middle, the same at each level. The rest is 0. Its labels are 1, 2, ... in a disk in each.
    """
    import zarr

    sides = [side]
    while sides[-1] > 1024:
        sides.append(-(-sides[-1] // 2))
    levels = [((each, each), np.dtype(dtype)) for each in sides]
    write_ome_zarr(path, levels, "yx", chunks=(chunk, chunk), **options)
    if labels:
        places = {key: options[key] for key in ("scale", "translate", "version") if key in options}
        add_labels(
            path, "rings", [(shape, np.dtype("int32")) for shape, _ in levels], "yx",
            chunks=(chunk, chunk), **places,
        )  # fmt: skip
    for number in range(len(sides)):
        image = zarr.open_array(f"{path}/{number}", mode="r+")
        marks = zarr.open_array(f"{path}/labels/rings/{number}", mode="r+") if labels else None
        step = 2**number
        size = 4096 // step
        centre = (np.arange(size) + 0.5) * step - 2048
        radius = np.hypot(centre[:, None], centre)
        rings = np.rint(127 + 120 * np.cos(radius / 40) * (radius < 1900)).astype(dtype)
        for label, (row, col) in enumerate(tiles, 1):
            top, left = row // step, col // step
            image[top : top + size, left : left + size] = rings
            if marks is not None:
                marks[top : top + size, left : left + size] = np.where(radius < 1500, label, 0)
    return path
