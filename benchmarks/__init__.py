"""Rulers: our programs beside their peers and beside the bare limit, in one run."""
