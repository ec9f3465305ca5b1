"""Images of labels that lie with an OME-Zarr image: resampled as it is, without new values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lerf_cli.batch.operation import SameForAll
from lerf_cli.batch.tiled_resampling import TiledResampling
from lerf_core.errors import FileError
from lerf_core.io.writing import Encoding

if TYPE_CHECKING:
    import numpy as np

    from lerf_cli.batch.operation import ImageOperation
    from lerf_cli.options.values import BatchOptions, ResamplingOptions
    from lerf_core.execution.plan import Plan
    from lerf_core.io.tiles.tiled_reader import TiledReader

__all__ = ["label_resampling", "labels_of"]


@dataclass(frozen=True)
class LabelOperation(SameForAll):
    """What a command does to the labels of an image that it has a plan for.

    Attributes
    ----------
    image_operation : ImageOperation
        The command's.
    image_plan : Plan
        Of the image.
    """

    image_operation: ImageOperation
    image_plan: Plan

    @property
    def resampling(self) -> ResamplingOptions:
        """How labels are resampled; beyond the border lies the background, 0."""
        options = self.image_operation.resampling
        return replace(
            options,
            labels=options.labels or "nearest",
            front=None,
            border="constant" if options.border == "transparent" else options.border,
            cval=(0.0,),
            linear=False,
            fast=False,
            nodata=None,
            depth=None,
            value_range=None,
            padding=None,
        )

    def output_shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return the (rows, columns) that labels of a shape become."""
        return self.image_operation.output_shape(shape)

    def plan(self, shape: tuple[int, ...], dtype: np.dtype[Any], keywords: dict[str, Any]) -> Plan:
        """Return the plan for labels of a shape and dtype; see `ImageOperation`.

        Raises
        ------
        FileError
            If they have other pixels than the image, and it is warped, cropped or padded.
        """
        from lerf_core.execution.planning import plan_rescale
        from lerf_core.sampling.shapes import spatial_axes

        rows, cols = spatial_axes(len(shape), keywords["channel_axis"])
        if (shape[rows], shape[cols]) == self.image_plan.source_shape:
            return self.image_operation.plan(shape, dtype, keywords)
        if self.image_plan.scale is None or self.image_plan.frame is not None:
            what = "a warp" if self.image_plan.scale is None else "what is shown of it"
            raise FileError(
                f"their {shape[cols]}x{shape[rows]} pixels are not those of the image, and {what} "
                "is of its pixels"
            )
        return plan_rescale(shape, dtype, self.image_plan.scale, **keywords)


def labels_of(source: TiledReader, target_format: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the labels that a result of a format can have, and a note on others."""
    names = tuple(source.labels)
    if not names or target_format == "OME-Zarr":
        return names, ()
    return (), (f"{target_format} cannot hold labels: {', '.join(names)} dropped",)


def label_resampling(
    labels: TiledReader, image: TiledResampling, options: BatchOptions
) -> TiledResampling:
    """Return the work on labels that goes with that on their image.

    Raises
    ------
    FileError
        If they cannot be resampled like the image.
    """
    operation = LabelOperation(image.operation, image.plan)
    encoding = Encoding(strip=options.encoding.strip)
    return TiledResampling(labels, operation, replace(options, encoding=encoding))
