"""The steps of the method on torch tensors; imported only when asked for."""
