"""The steps of the method on torch tensors, on any device and with gradients.

Importing a module of this package imports torch, and nothing else of `lerf_core` imports one.
The steps are those of `lerf_core.backends.contract`, of many planes at a time; their arithmetic is
`lerf_core.backends.reference`'s, operation by operation, so that results equal it.

=====================  ===========================================================================
module                 steps
=====================  ===========================================================================
``levels``             values to grey levels and units, and back
``table_reads``        reads of a stage's tables, and the stage's values
``integer_reads``      the same in units, without gradients
``network``            layers of a network
``source_pixels``      a bank's reads of an image: terms of the mean, overshoot bounds, validity
``coordinates``        source coordinates: folded, how far covered, filter scales
``taps``               neighbours of output pixels: on a grid, or scattered
``weighted_mean``      the mean of neighbours, each weighed by its own function
``overshoot_bounds``   between which values results of local planes lie
``straight_through``   rounding and clipping that pass gradients
``packed_planes``      the steps without gradients, on packed parameters
``main_memory``        NumPy's arrays as tensors
``backend``            these behind the contract, for arrays in main memory
``fused``              where there are Triton's kernels: on CUDA
``triton_kernels``     steps as one kernel each
=====================  ===========================================================================
"""
