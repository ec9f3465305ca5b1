"""Which source pixels an output pixel is made of: taps, border modes, windows of blocks.

`taps` and `cubic` list the neighbours of output pixels, `borders` says what stands where the
image has ended, `coordinates` holds where a band of output pixels lies in the source, and
`windows` which part of the source a block of the result depends on.
"""
