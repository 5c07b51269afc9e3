"""Cross-validation: a data set divided by voices, a run for each part, one judgement over all."""
