"""Acts that need a second person: one asks, somebody else decides, and the act uses the approval once."""
