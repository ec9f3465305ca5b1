"""From an operation to pixels, in the background or lazily."""
