"""What may hold or refuse an attempt: each policy is two calls, ``enter`` and ``settle``."""
