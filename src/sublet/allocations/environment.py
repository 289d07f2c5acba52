"""Environment variables that an allocation is launched with: encrypted, opened only to be sent to its node."""

import json
import re
import unicodedata
from collections.abc import Mapping

from sqlalchemy import insert, select, update

from sublet.allocations.models import environment
from sublet.core.db import Session
from sublet.core.encryption import DataKey, decrypt
from sublet.core.errors import InvalidInput
from sublet.core.keyring import Keyring

MOST_VARIABLES = 100
NAME_LENGTH = 128
VALUE_BYTES = 16 * 1024
ALL_BYTES = 64 * 1024
"""Of all names and values together. The node has the same bounds."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLACE = {"table": "allocation_environment", "column": "encrypted"}

# What says who somebody is, sshd sets; what decides which program runs, before any of the login's own has run, would
# let a typing error keep its customer out.
_SET_BY_THE_LOGIN = frozenset({"HOME", "USER", "LOGNAME", "SHELL", "MAIL", "PWD", "OLDPWD", "UID", "EUID", "TERM"})
_DECIDES_WHAT_RUNS = frozenset(
    {*("PATH", "IFS", "ENV", "BASH_ENV", "SHELLOPTS", "BASHOPTS", "PS4", "PROMPT_COMMAND", "CDPATH"), "GCONV_PATH"}
)
_PREFIXES = ("LD_", "GLIBC_", "MALLOC_", "SSH_", "SUDO_", "XDG_", "SUBLET_", "BASH_FUNC_")


def checked(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables by their normalised names; InvalidInput names the one that is wrong, and repeats no value."""
    if len(variables) > MOST_VARIABLES:
        raise _refused(f"An allocation has at most {MOST_VARIABLES} environment variables.")
    found: dict[str, str] = {}
    for given, value in variables.items():
        name = normalised(given)
        if name in found:
            raise _refused(f"The environment variable {name} is given twice.")
        if "\0" in value or len(value.encode("utf-8", "replace")) > VALUE_BYTES:
            raise _refused(f"The value of {name} has at most {VALUE_BYTES} bytes, and no zero byte.")
        found[name] = value
    if sum(len(name) + len(value.encode("utf-8", "replace")) for name, value in found.items()) > ALL_BYTES:
        raise _refused(f"The environment variables have at most {ALL_BYTES} bytes in all. Put files where they belong.")
    return found


def normalised(given: str) -> str:
    """The name that a spelling means (compatible forms as one, no space around it); InvalidInput when it may not be."""
    name = unicodedata.normalize("NFKC", given).strip()
    if not _NAME.fullmatch(name) or len(name) > NAME_LENGTH:
        raise _refused(
            f"An environment variable's name has 1 to {NAME_LENGTH} letters, digits and underscores, and begins with "
            f"no digit. This one does not: {given[:80]!r}."
        )
    if name in _SET_BY_THE_LOGIN or name in _DECIDES_WHAT_RUNS or name.startswith(_PREFIXES):
        raise _refused(
            f"{name} is set by the login itself, or decides what runs before anything of yours. Set it in ~/.profile "
            "or in the startup script instead."
        )
    return name


async def put(session: Session, allocation_id: str, variables: Mapping[str, str], data_key: DataKey) -> None:
    """Keep variables that are `checked`, encrypted."""
    if variables:
        plain = json.dumps(dict(variables)).encode()
        values = {
            "allocation_id": allocation_id,
            "names": sorted(variables),
            "encrypted": data_key.encrypt(plain, **_PLACE, row=allocation_id),
        }
        await session.execute(insert(environment).values(values))


async def names_of(session: Session, allocation_id: str) -> list[str]:
    """The names of its variables; all that is ever shown."""
    names = select(environment.c.names).where(environment.c.allocation_id == allocation_id)
    return list((await session.execute(names)).scalar_one_or_none() or [])


async def encrypted_of(session: Session, allocation_id: str) -> bytes | None:
    """Its variables as they are kept; None when it has none."""
    kept = select(environment.c.encrypted).where(environment.c.allocation_id == allocation_id)
    found: bytes | None = (await session.execute(kept)).scalar_one_or_none()
    return found


async def open_for_node(keyring: Keyring, allocation_id: str, encrypted: bytes | None) -> dict[str, str]:
    """The variables themselves, to be sent to the node. OpenSessionError while a session is open."""
    if encrypted is None:
        return {}
    opened: dict[str, str] = json.loads(await decrypt(keyring, encrypted, **_PLACE, row=allocation_id))
    return opened


async def forget(session: Session, allocation_id: str) -> None:
    """Forget the values, for nothing runs with them any more; the names stay."""
    kept = update(environment).where(environment.c.allocation_id == allocation_id, environment.c.encrypted.is_not(None))
    await session.execute(kept.values(encrypted=None))


def _refused(why: str) -> InvalidInput:
    return InvalidInput(f"{why} Nothing was launched.", field="environment")
