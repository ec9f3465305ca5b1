"""The steps of the method behind one contract: the specification, and what equals it."""
