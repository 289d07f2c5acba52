"""The kinds of work on nodes, by name: looking at one, and pushing to it what it trusts."""

NODE = "node"
TRUST = "trust"
