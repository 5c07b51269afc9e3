"""From the bytes of a file to a clip: opened, decoded, resampled, trimmed, cut."""
