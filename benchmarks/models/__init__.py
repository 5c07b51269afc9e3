"""The models compared on real and on made-up speech: python -m benchmarks.models."""
