"""Encoders of others: how they take records, what they give, and their cached features."""
