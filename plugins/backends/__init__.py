"""Backends as plugins: what the host ships comes through the same door as a third party's."""
