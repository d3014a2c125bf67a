"""params.yaml: reading, checks, automatic values and the schema."""
