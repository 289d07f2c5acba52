"""What was used is metered, rated and charged, and what is left is watched."""
