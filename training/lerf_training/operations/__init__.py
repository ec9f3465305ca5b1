"""The method's steps, differentiable."""
