"""Decodes what strangers send in processes of its own, which may break, hang and eat memory."""
