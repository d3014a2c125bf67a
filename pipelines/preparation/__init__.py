"""The stage `prepare`: shards, and what was found."""
