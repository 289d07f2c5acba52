"""The kinds of work on nodes, by name: looking at one, pushing to it what it trusts, trying whether one gets in, giving
it another helper, and telling all of them what is revoked."""

NODE = "node"
TRUST = "trust"
TRIAL = "trial"
REVOCATIONS = "revocations"
UPGRADE = "upgrade"
