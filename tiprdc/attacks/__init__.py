"""Attacks on released features: one a file, one interface, fitted from scratch on frozen z."""
