"""Guards: what stands before everything that leaves, keeps or logs a client's words, and fails closed."""
