"""Public keys that others send us: read strictly, so that nothing else is ever signed or trusted."""

import asyncssh

from sublet.core.errors import InvalidInput
from sublet.fleet.ca import public_line

MAX_LENGTH = 8192
MIN_RSA_BITS = 2048
_COMMON = frozenset({"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"})
HOST_KEY_TYPES = _COMMON
USER_KEY_TYPES = _COMMON | {"sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"}


def read_public_key(text: str, *, field: str, types: frozenset[str] = USER_KEY_TYPES) -> asyncssh.SSHKey:
    """One OpenSSH public key line; InvalidInput says what is wrong with anything else."""
    line = text.strip()
    if len(line) > MAX_LENGTH or "\n" in line or "\r" in line or not line.isascii():
        raise InvalidInput("Send one public key, on one line, as in an OpenSSH .pub file.", field=field)
    name = line.partition(" ")[0]
    if name not in types:
        raise InvalidInput(
            f"This is not a public key that Sublet takes (it begins with {name[:40]!r}). Send the line from your .pub "
            f"file; these types work: {', '.join(sorted(types))}.",
            field=field,
        )
    try:
        key = asyncssh.import_public_key(line)
    except (asyncssh.KeyImportError, ValueError) as error:
        raise InvalidInput(f"The public key cannot be read: {error}.", field=field) from None
    if key.get_algorithm() == "ssh-rsa" and _rsa_bits(key) < MIN_RSA_BITS:
        raise InvalidInput(f"RSA keys need {MIN_RSA_BITS} bits or more; use ssh-ed25519.", field=field)
    return key


def read_host_key(text: str, *, field: str) -> str:
    """A node's public host key as `type base64`."""
    return public_line(read_public_key(text, field=field, types=HOST_KEY_TYPES))


def _rsa_bits(key: asyncssh.SSHKey) -> int:
    return int(getattr(key.pyca_key, "key_size", 0))
