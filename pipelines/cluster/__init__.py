"""Ray: a cluster or this machine's own, its tasks and errors."""
