"""The work on allocations and their nodes: set up, verify, observe, release with proof."""
