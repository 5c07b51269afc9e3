"""What is said of an export: its model card, and what its formats cost."""
