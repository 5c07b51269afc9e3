"""The job's processes: how they end together, and what they tell one another beside Beam."""
