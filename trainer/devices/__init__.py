"""What a run computes on: devices, the strategies over them, other workers."""
