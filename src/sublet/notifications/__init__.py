"""What customers and operators are told as it happens: the events channel, the inbox, and mail."""
