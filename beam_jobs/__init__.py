"""The data job: raw audio in, speaker-sharded TFRecords and their manifest out."""

import time

# Of its programs, when they began: what they load first takes seconds.
BEGAN_S = time.monotonic()
