"""Clips inside of the record files of a TensorFlow Datasets (TFDS) data set, without TensorFlow."""
