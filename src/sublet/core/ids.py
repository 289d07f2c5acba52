"""Prefixed ids: `al_4k7…`; the prefix says what a thing is, the rest is 80 random bits."""

from itertools import product
from os import urandom

RANDOM_BYTES = 10
_PAIRS = ["".join(pair) for pair in product("abcdefghijklmnopqrstuvwxyz234567", repeat=2)]
"""What ten bits look like: two base32 characters."""


def new_id(prefix: str) -> str:
    """A new id: `prefix`, an underscore and 16 lowercase base32 characters (80 random bits)."""
    bits = int.from_bytes(urandom(RANDOM_BYTES), "big")
    return f"{prefix}_" + "".join([_PAIRS[bits >> shift & 1023] for shift in range(70, -1, -10)])


def is_id(id_or_name: str) -> bool:
    """Whether an id was given where a name may stand: ids always have an underscore, and names have none."""
    return "_" in id_or_name
