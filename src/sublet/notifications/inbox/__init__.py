"""The inbox as the API shows it: notices, what of them is unread, and preferences."""
