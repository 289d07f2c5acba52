"""A running right to resources on a node: where money and machine move together."""
