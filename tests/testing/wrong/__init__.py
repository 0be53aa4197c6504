"""Plugins that are wrong in one thing each."""
