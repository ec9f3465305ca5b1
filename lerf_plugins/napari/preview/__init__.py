"""The live preview: its states, the thread that computes it, the layer that shows it."""
