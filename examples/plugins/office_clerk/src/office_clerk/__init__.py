"""A backend for a service that streams lines of JSON."""
