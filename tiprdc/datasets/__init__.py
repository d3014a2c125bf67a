"""Data set readers, and the shards that they are turned into."""
