"""The bytes: of a record in its frame, and of the Example in it."""
