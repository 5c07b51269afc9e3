"""Listens to a microphone, a file or a stream, and says what it hears when."""
