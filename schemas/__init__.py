"""What things are called and shaped. Standard library only; every other package may import it."""
