"""The known hosts line that the server gives: which authority vouches for the node, and under what name."""

import fnmatch
import re

from sublet.cli.failures import Failure

MARKER = "@cert-authority"
_LINE = re.compile(rf"{MARKER} (?P<patterns>[^\s|]+) (?P<kind>[a-z0-9@.-]+) (?P<key>[A-Za-z0-9+/=]+)(?: [^\n]*)?")


def authority_line(said: str) -> str:
    """The line, if it is one and names an authority; anything else would weaken the check of the host, so it fails."""
    line = said.strip()
    if not _LINE.fullmatch(line):
        raise Failure("The server did not say which authority vouches for the node. No connection was made.")
    return line


def host_key_alias(line: str, host: str, port: int) -> str | None:
    """The name under which the line knows the node, when that is not its address; None when it is."""
    match = _LINE.fullmatch(line)
    assert match is not None  # `authority_line` has let it through
    patterns = match["patterns"].split(",")
    for pattern in patterns:
        if any(fnmatch.fnmatchcase(name, _glob(pattern)) for name in (host, f"[{host}]:{port}")):
            return None
    for pattern in patterns:
        if not any(character in pattern for character in "*?!["):
            return pattern
    raise Failure(f"The authority that the server named does not vouch for {host}. No connection was made.")


def _glob(pattern: str) -> str:
    # In known hosts `[host]:port` is literal; for fnmatch a bracket opens a set of characters.
    return pattern.replace("[", "[[]")
