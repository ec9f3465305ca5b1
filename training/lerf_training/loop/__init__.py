"""The training loop, its options, checkpoints and validation."""
