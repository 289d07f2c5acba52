"""Nodes: enrolment, the SSH certificate authority, the node protocol's client, inventory and health."""
