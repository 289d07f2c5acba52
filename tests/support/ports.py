"""Ports of 127.0.0.1 for what tests and measurements start."""

import socket


def free_port() -> int:
    """A loopback port that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def loopback_listener() -> socket.socket:
    """A socket bound to a free loopback port.

    It names its protocol: only then does asyncio let small segments go at once (TCP_NODELAY). Otherwise each answer on
    a connection that is used again would wait 40 ms for the previous one to be acknowledged.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    return listener
