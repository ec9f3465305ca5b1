"""Means of two by two pixels in numba; see `lerf_core.backends.reference.halving`."""

from __future__ import annotations

from lerf_core.backends.numba.kernels.compiling import KERNEL, compiled

__all__ = ["halve_floats", "halve_integers", "halve_with_alpha"]


@compiled(**KERNEL)
def halve_integers(pixels, out):
    """Write means of integers, halves rounded up, of (rows, cols, channels)."""
    rows, cols, channels = pixels.shape
    for y in range(out.shape[0]):
        above, below = pixels[2 * y], pixels[min(2 * y + 1, rows - 1)]
        line = out[y]
        for x in range(cols // 2):
            for c in range(channels):
                total = int(above[2 * x, c]) + int(above[2 * x + 1, c])
                total += int(below[2 * x, c]) + int(below[2 * x + 1, c])
                line[x, c] = (total + 2) >> 2
        if cols % 2:
            for c in range(channels):
                line[cols // 2, c] = (int(above[cols - 1, c]) + int(below[cols - 1, c]) + 1) >> 1


@compiled(**KERNEL)
def halve_floats(pixels, out):
    """Write means of floats, in their own precision, of (rows, cols, channels)."""
    rows, cols, channels = pixels.shape
    for y in range(out.shape[0]):
        above, below = pixels[2 * y], pixels[min(2 * y + 1, rows - 1)]
        for x in range(out.shape[1]):
            left, right = 2 * x, min(2 * x + 1, cols - 1)
            for c in range(channels):
                total = float(above[left, c]) + float(above[right, c])
                out[y, x, c] = (total + (float(below[left, c]) + float(below[right, c]))) / 4


@compiled(**KERNEL)
def halve_with_alpha(pixels, out, rounds):
    """Write means weighted by the last channel, which is averaged itself."""
    rows, cols, channels = pixels.shape
    alpha = channels - 1
    for y in range(out.shape[0]):
        above, below = pixels[2 * y], pixels[min(2 * y + 1, rows - 1)]
        for x in range(out.shape[1]):
            left, right = 2 * x, min(2 * x + 1, cols - 1)
            a, b = float(above[left, alpha]), float(above[right, alpha])
            c, d = float(below[left, alpha]), float(below[right, alpha])
            weight = (a + b) + (c + d)
            if not weight > 0:  # clear: any colour is as good
                a, b, c, d, total = 1.0, 1.0, 1.0, 1.0, 4.0
            else:
                total = weight
            for k in range(alpha):
                upper = a * float(above[left, k]) + b * float(above[right, k])
                lower = c * float(below[left, k]) + d * float(below[right, k])
                value = (upper + lower) / total
                out[y, x, k] = int(value + 0.5) if rounds else value
            out[y, x, alpha] = int(weight / 4 + 0.5) if rounds else weight / 4
