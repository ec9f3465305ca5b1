"""What files say about their pixels: one type, and the blocks that it is read from."""
