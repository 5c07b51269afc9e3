"""From a command line to a job that runs, is watched, and ends."""
