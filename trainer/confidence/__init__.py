"""How far a model's probabilities can be trusted, and when it should not answer at all."""
