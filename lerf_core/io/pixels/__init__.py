"""From values as files store them to pixels, and back."""
