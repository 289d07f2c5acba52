"""Payouts: what the processor sends to the bank, until it arrives or comes back."""
