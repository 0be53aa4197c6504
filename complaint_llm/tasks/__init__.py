"""Tasks: prompt, schema and checks under one name; the built-in ones, and those that a config declares."""
