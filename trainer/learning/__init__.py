"""From batches to a trained model: steps, loop, losses, optimizers."""
