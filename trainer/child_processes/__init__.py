"""Programs of this Python that a program starts, watches and ends: one way for all of them."""
