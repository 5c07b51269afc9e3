"""A run made into a model that takes audio as it is, and needs none of our packages."""
