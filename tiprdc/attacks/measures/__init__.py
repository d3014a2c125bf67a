"""Further measures beside the attacks: none decides a verdict."""
