"""Auto top-up: one charge of the default card brings the funds back to a threshold, within bounds that stay kept."""
