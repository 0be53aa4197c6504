"""What a batch writes and says."""
