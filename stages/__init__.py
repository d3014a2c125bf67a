"""DVC stages, one a file: which section of params.yaml, from which files, to which files."""
