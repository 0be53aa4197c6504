"""OpenAI models through the Codex program."""
