"""What turns shards into a finished data set: notes of whole ones, resuming, the manifest last."""
