"""What the software promises, said as tests."""
