"""What a layer holds and what is to be done to it, free of Qt."""
