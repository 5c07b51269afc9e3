"""What a model said of every clip of a split, as a file. Reports read nothing else."""
