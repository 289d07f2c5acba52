"""People, their organizations, and every credential they act with."""
