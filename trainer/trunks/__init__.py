"""What one run takes over from another: the weights of its trunk, and what that makes of clips."""
