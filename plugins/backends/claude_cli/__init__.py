"""Claude through the Claude Code program."""
