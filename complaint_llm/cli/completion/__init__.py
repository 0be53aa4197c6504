"""What shells offer to complete."""
