"""Refunds: money truly sent back to the card it came from, asked for here or made at the processor."""
