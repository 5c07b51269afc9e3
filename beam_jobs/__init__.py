"""The data job: raw audio in, speaker-sharded TFRecords and their manifest out."""
