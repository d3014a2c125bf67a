"""Networks that read records."""
