"""How good a model is, and what it says of clips."""
