"""A running IPFS node."""
