"""Asking an exported model about every clip of a corpus: what beam_jobs.predict is made of."""
