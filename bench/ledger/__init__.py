"""How fast the books are."""
