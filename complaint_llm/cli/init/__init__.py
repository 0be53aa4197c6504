"""``complaint-llm init``: from an empty folder to a config that answers."""
