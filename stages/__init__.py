"""DVC stages, one per file: each maps a section of params.yaml and input files to output files."""
