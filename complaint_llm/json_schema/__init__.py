"""JSON Schemas of configs, constructors and tools: checked fast, told in words."""
