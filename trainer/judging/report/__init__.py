"""How good a model is, as numbers, as text and as a picture. Pure functions on arrays."""
