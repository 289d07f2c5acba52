"""Promotional credit: given by operators within a budget, and taken by customers with a code."""
