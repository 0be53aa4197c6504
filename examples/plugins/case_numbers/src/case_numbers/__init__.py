"""A guard that keeps case numbers in the house."""
