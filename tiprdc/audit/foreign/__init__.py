"""The audit of anybody's model, without a graph."""
