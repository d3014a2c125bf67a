"""Registered versions: Git tags, files in a DVC remote, signatures, pull and verification."""
