"""Test keys of the card processor, with which nobody is charged: refused where others than their owner can pay."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from sublet.core.runtime import NotConfigured

TEST_KEYS = ("sk_test_", "rk_test_")
_NOBODYS = ("localhost", "test", "example", "invalid", "local", "internal")
"""Last labels of names that lead nowhere on the internet (RFC 2606, 6761, 6762)."""


def is_public(address: str) -> bool:
    """Whether an address is one that strangers may reach: no private network's, and no name that leads nowhere."""
    host = (urlsplit(address).hostname or "").rstrip(".")
    try:
        return ip_address(host).is_global
    except ValueError:
        labels = host.split(".")
        return len(labels) > 1 and labels[-1] not in _NOBODYS


def refuse_test_key(key: str | None, *, public_url: str, allowed: bool) -> None:
    """NotConfigured for a test key behind a public address, unless that is said to be meant."""
    if key is None or allowed or not key.startswith(TEST_KEYS) or not is_public(public_url):
        return
    raise NotConfigured(
        f"The card processor's key is a test key (sk_test_…), and SUBLET_PUBLIC_URL is {public_url}, which strangers "
        "can reach: they could top up with a test card, and nobody would be charged. Nothing was started. Give the "
        "live key, or set SUBLET_TEST_PAYMENTS=true if nothing of value is sold there."
    )
