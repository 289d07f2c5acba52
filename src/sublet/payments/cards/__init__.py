"""Saved cards: saved on a page of the processor, one of them the default, removed and forgotten there too."""
