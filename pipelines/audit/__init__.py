"""The audit on Ray: of the graph's release, or of a registered version."""
