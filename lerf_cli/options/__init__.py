"""Options and how their texts are read."""
