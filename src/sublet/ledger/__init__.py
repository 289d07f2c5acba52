"""The books: double-entry, append-only, kept by functions in PostgreSQL."""
