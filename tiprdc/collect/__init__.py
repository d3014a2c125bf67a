"""Collects features from devices over HTTP, for one released version."""
