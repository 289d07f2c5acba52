"""Leased work: the one engine that brings rows to what is wanted, however often workers die on the way.

A domain declares what it does as a `Work`: take (short transaction) → act (no session open) → conclude (short
transaction, stored only while the lease is still ours). Rows of the table `work` say what is due and who has it; they
are made due in the transaction that makes them so. The `Reconciler` does the rest.
"""
