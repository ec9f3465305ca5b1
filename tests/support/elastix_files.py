"""Transform parameters as elastix writes them, each building on the one before."""

_GRID = """(FixedImageDimension 2)
(MovingImageDimension 2)
(Size 50 40)
(Index 0 0)
(Spacing 0.5 0.8)
(Origin 3 -2)
(Direction 0.9950041652780258 0.09983341664682815 -0.09983341664682815 0.9950041652780258)
(UseDirectionCosines "true")
(FixedInternalImagePixelType "float")
(MovingInternalImagePixelType "float")
(ResampleInterpolator "FinalBSplineInterpolator")
(Resampler "DefaultResampler")
(DefaultPixelValue 0)
"""

_B_SPLINE = " ".join(f"{(7 * n) % 13 / 10 - 0.5:.1f}" for n in range(98))
_CENTRE = "(CenterOfRotationPoint 12.7 14.2)\n"
_AFFINE = f"(TransformParameters 1.1 0.1 -0.05 0.9 2 -1)\n{_CENTRE}"
_SPLINES = f"""(TransformParameters {_B_SPLINE})
(GridSize 7 7)
(GridIndex 0 0)
(GridSpacing 8 9)
(GridOrigin -10 -14)
(GridDirection 0.9950041652780258 0.09983341664682815 -0.09983341664682815 0.9950041652780258)
(BSplineTransformSplineOrder 3)
(UseCyclicTransform "false")
"""
#: By the name of the file: the transform, its own entries, and the file that it builds on.
ENTRIES = {
    "translation.txt": ("Translation", "(TransformParameters 1.5 -0.7)\n", "NoInitialTransform"),
    "euler.txt": ("Euler", f"(TransformParameters -0.2 0.5 1.25)\n{_CENTRE}", "translation.txt"),
    "similarity.txt": (
        "Similarity", f"(TransformParameters 1.1 0.15 0.5 1.25)\n{_CENTRE}", "translation.txt"
    ),
    "affine.txt": ("Affine", _AFFINE, "euler.txt"),
    "bspline.txt": ("BSpline", _SPLINES, "affine.txt"),
    "added.txt": ("Affine", _AFFINE, "euler.txt"),
}  # fmt: skip


def write_all(folder):
    """Write the files into a folder; return their paths by name."""
    paths = {}
    for name, (kind, entries, initial) in ENTRIES.items():
        how = "Add" if name == "added.txt" else "Compose"
        paths[name] = folder / name
        paths[name].write_text(
            f'(Transform "{kind}Transform")\n{entries}'
            f'(InitialTransformParametersFileName "{initial}")\n'
            f'(HowToCombineTransforms "{how}")\n\n{_GRID}'
        )
    return paths
