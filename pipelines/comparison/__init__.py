"""Comparison of methods on Ray."""
