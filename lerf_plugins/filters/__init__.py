"""lerf's resize and warp with the signatures of other libraries: a module for each host.

A module imports its host when it is imported itself, and no other.
"""
