"""Photographs, patches, benchmarks and degradations."""
