"""A decision about where to go in a big fleet, beside one indexed query."""
