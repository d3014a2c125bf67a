"""Attacks on released features: one a file, one interface, each trained from scratch on fixed z."""
