"""Where nodes answer, as people write it."""

from sublet.client.shapes import Node


def place(node: Node) -> str:
    """Address and port in one word."""
    address = f"[{node['address']}]" if ":" in node["address"] else node["address"]
    return f"{address}:{node['port']}"
