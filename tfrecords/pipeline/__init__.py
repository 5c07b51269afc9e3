"""From shard files to batches of tensors. Imports TensorFlow: for the trainer only."""
