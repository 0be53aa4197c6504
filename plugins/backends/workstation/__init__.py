"""GGUF models on this machine through llama.cpp."""
