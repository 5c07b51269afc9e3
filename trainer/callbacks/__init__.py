"""What listens to a run: checkpoints, TensorBoard, progress, early stopping, history."""
