"""What was found not to fit: one row for each finding, from when it was first seen until it no longer was."""
