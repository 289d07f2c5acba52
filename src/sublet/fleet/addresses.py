"""Where a node answers: a host name, or an IPv4 or IPv6 address, in the one form that certificates name it by."""

import ipaddress
import re

_NAME = re.compile(r"^(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*$")
LONGEST = 253


def normal(text: str) -> str:
    """The address as SSH clients ask for it: names in small letters, IPv6 without brackets and in its short form.

    ValueError says what is wrong with anything else.
    """
    bare = text.strip()
    if bare.startswith("[") and bare.endswith("]"):
        bare = bare[1:-1]
    if ":" in bare or re.fullmatch(r"[0-9.]+", bare):
        return _number(bare)
    name = bare.lower().removesuffix(".")
    if len(name) > LONGEST or not _NAME.match(name):
        raise ValueError("The address must be a host name or an IP address; the port is given by itself.")
    return name


def shown(address: str, port: int) -> str:
    """Both in one word, as people write them."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _number(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(
            f"{text} is no IP address. Write IPv6 like 2001:db8::7; the port is given by itself."
        ) from None
    if isinstance(address, ipaddress.IPv6Address) and (address.scope_id or address.is_link_local):
        raise ValueError(f"{text} means something on one link alone. Give an address that customers can reach.")
    if address.is_unspecified or address.is_multicast:
        raise ValueError(f"{text} is no address of one machine.")
    return str(address)
