"""From references to a written shard: read, decoded, computed, encoded."""
