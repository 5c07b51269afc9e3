"""Raw files as a data set, without a data job."""
