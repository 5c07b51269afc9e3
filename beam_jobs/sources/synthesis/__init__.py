"""Speaks the demo corpus: what is said by whom and how, and the synthesizer that says it."""
