"""Tables: delimited files and Parquet, kinds of columns, and their encoding as numbers."""
