"""Money that comes in by card: top-ups, the processor and its webhooks."""
