"""From a data set, or raw files, to batches on the devices."""
