"""The kinds of work on nodes, by name: looking at one, pushing to it what it trusts, trying whether one gets in."""

NODE = "node"
TRUST = "trust"
TRIAL = "trial"
