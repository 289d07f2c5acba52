"""How allocations are read: a page of them in summary, one with everything about it, and what happened to it."""
