"""Numbers as pictures: the axes of a picture resized, and numbers as colours."""
