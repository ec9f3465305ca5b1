"""Where samples are taken: taps, borders, windows."""
