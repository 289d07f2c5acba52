"""What customers and operators are told as it happens: the events channel."""
