"""Matters: where something of one is kept, and how it is forgotten."""
