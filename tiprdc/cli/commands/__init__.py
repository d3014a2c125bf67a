"""One subcommand of `tiprdc` a file; each imports what it needs when it runs."""
