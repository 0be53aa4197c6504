"""The public face of everything that answers, and what stands behind it: targets, the routes to them, and groups."""
