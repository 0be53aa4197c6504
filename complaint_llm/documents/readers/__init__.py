"""Readers: each takes the bytes of one kind of file and returns what a person would read in it."""
