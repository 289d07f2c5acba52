"""A sandbox that speaks Stripe's API to the real SDK, in a process and with a data file of its own.

It stands where Stripe stands: nothing here is imported by the server, which knows only a base address and a key.
"""
