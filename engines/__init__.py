"""Real engines on this machine: what the tests of `tests/engines` and a curious user start."""
