"""From anybody's vectors or encoder to an audited release, in one process."""
