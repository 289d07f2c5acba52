"""What speaks for a disputed payment: gathered for an operator, and sent to the bank."""
