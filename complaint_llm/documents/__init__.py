"""Documents: what a file says, page by page, read in a process of its own; and how a model is shown it."""
