"""The `tiprdc` command line."""
