"""The SQLite index of a store, and the log that it can be made again from."""
