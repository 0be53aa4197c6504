"""The built-in tasks, each a file in schemas/tasks; known without importing what reads them."""

BUILT_IN = ("claims", "summary", "chronology")
