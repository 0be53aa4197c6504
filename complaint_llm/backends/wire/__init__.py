"""The toolkit for authors of backends: what stands between a request and bytes, the same for every wire."""
