"""Verifying a store, removing from it, and making its index again."""
