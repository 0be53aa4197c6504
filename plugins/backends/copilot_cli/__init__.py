"""Models of GitHub Copilot through the Copilot program."""
