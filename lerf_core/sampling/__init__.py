"""Which source pixels an output pixel is made of: taps, border modes, windows of blocks.

`taps` lists the neighbours of output pixels, `kernel_taps` and `kernel_points` those of fixed
`kernels`, `borders` says what stands where the
image has ended, and `coordinates` holds where a band of output pixels lies in the source.
`windows` are the parts of the source that a block of the result depends on; `visibility` finds
those of a warp. `shapes` has the axes of images and the shapes of results.
"""
