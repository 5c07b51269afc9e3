"""What python -m trainer.predict is asked of, and where its answers go."""
