"""Arrays to bytes to shard files to tf.data, and back. Imports no TensorFlow by itself."""
