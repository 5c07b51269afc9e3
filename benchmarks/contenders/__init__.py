"""What our programs are measured against; each is a program of its own, run in its own process."""
