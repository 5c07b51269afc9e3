"""Which learning rate to begin with: each is tried for a step, and a curve is drawn."""
