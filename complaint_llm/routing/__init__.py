"""Policies of one request: what is tried, in which order, how long, how often, at what price, and what stays here."""
