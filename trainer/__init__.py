"""Trains classifiers on the data sets of beam_jobs and judges them."""
