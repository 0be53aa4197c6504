"""Any model that the program llm knows, as a backend."""
