"""Disputes: the card holder asks the bank for the money back, and the bank decides."""
