"""Every step of the schema, in its order."""
