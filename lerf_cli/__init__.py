"""Command line of lerf: parse, call the resampler, write."""
