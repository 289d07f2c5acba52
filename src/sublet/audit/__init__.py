"""Who did what, to what, from where: append-only, written in the transaction of the act itself."""
