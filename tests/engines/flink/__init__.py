"""A standalone Flink cluster on loopback, and Beam's job server for it."""
