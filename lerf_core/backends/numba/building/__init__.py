"""How libraries of compiled kernels are built; nothing here is imported at run time.

`functions` turns kernels into object code, `memory` is what they allocate with, `linking` makes a
library of it, `build` makes all that a processor or a package needs. It needs numba, and a linker.
"""
