"""Models that hear a recording as it comes: features of the new frames alone, and what is kept."""
