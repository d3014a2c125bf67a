"""One command of `tiprdc` a file; what it needs beyond the bare install it imports when it runs."""
