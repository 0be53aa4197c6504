"""CAR files, out and in."""
