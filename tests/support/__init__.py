"""What tests share: factories, strategies, files."""
