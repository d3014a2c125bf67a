"""JSON documents of a release, one a file: read with checks, written, and described by a schema."""
