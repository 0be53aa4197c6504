"""Observers: who is told of each request, attempt, answer and batch, beside the caller's path and without any texts."""
