"""DuckDB over what the readers read: the index behind the live window."""
