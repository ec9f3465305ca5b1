"""From arguments to a plan, and from a plan to the result's pixels.

`planning` makes a `Plan` (`plan`) of the arguments of the public functions. A plan cuts the result
into blocks, of a resize (`resize`) or a warp (`warp`), and computes them: `channels` prepares the
channels of a plane, reads their tables by a backend and brings means back to the image's values.
"""
