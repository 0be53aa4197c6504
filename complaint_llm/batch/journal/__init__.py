"""What a batch knows of each answer, on disk, and what follows from it for the next run."""
