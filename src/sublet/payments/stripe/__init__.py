"""The card processor: its SDK, its signed webhooks, and the inbox in which its events wait."""
