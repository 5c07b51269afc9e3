"""How good a model is, as numbers: formulas over counts and predictions. Imports no TensorFlow."""
