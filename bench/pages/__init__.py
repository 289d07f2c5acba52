"""Pages and commands with 10,000 nodes and 100,000 allocations."""
