"""People's own data: a manifest of pictures, texts, tables or vectors."""
