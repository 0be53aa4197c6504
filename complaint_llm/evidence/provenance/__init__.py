"""Where answers came from: a record for each, in a chain, and the tree behind it."""
