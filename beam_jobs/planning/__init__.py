"""From the listing to a plan: what is taken, which split and which shard each clip goes to."""
