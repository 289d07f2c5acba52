"""Refund requests: what a customer asks to have back, and what an operator decided."""
