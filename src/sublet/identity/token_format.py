"""How an API token looks: `sublet_`, 43 base62 characters of randomness, 6 of checksum, as secret scanners expect.

The checksum is the CRC-32 of the random part in base62, so that a scanner (and we, without asking the database) can
tell a token from something that only begins like one.
"""

import hashlib
import secrets
import string
import zlib

PREFIX = "sublet_"
RANDOM_CHARACTERS = 43  # 62**43 > 2**256
CHECKSUM_CHARACTERS = 6  # 62**6 > 2**32
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_LENGTH = len(PREFIX) + RANDOM_CHARACTERS + CHECKSUM_CHARACTERS


def _base62(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return digits


def checksum(random_part: str) -> str:
    """The last six characters."""
    return _base62(zlib.crc32(random_part.encode()), CHECKSUM_CHARACTERS)


def mint() -> str:
    """A new token."""
    random_part = "".join(secrets.choice(BASE62) for _ in range(RANDOM_CHARACTERS))
    return f"{PREFIX}{random_part}{checksum(random_part)}"


def is_well_formed(token: str) -> bool:
    """Whether the text is a token by its form; says nothing about whether it was ever given out."""
    if len(token) != _LENGTH or not token.startswith(PREFIX) or not token.isascii():
        return False
    random_part = token[len(PREFIX) : -CHECKSUM_CHARACTERS]
    return checksum(random_part) == token[-CHECKSUM_CHARACTERS:]


def secret_hash(secret: str) -> bytes:
    """What is stored of a secret with 256 random bits: its SHA-256."""
    return hashlib.sha256(secret.encode()).digest()
