"""The published evaluation."""
