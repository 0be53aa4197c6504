"""``complaint-llm chat``: a conversation, answer by answer."""
