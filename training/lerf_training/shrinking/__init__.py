"""Training of the learned function that shrinks images (`lerf_core.sampling.shrinking`)."""
