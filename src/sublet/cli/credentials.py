"""Which Sublet, and with which token: the environment wins over what `sublet login` stored."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from sublet.cli.exits import Exit
from sublet.cli.failures import Failure
from sublet.cli.paths import credentials_file
from sublet.cli.private_files import make_private_directory, write_private

DEFAULT_URL = "http://127.0.0.1:8000"
ALLOW_HTTP = "SUBLET_ALLOW_HTTP"


class CredentialsDamaged(Failure):
    """What was stored cannot be read as credentials: only signing in again helps."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A URL and the token that belongs to it, and whether somebody allowed to send it there unencrypted."""

    url: str
    token: str
    allow_http: bool = False

    def __repr__(self) -> str:
        """Without the token, so that no traceback shows it."""
        return f"Credentials(url={self.url!r})"


def read_token(path: str) -> str:
    """The token in a file; Failure says what is wrong with it."""
    try:
        token = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise Failure(f"The token file {path} cannot be read: {reason}. Nothing was sent.", Exit.AUTH) from error
    return check_token(token, f"The token file {path}")


def check_token(token: str, source: str) -> str:
    """The token, if it can be one: something, in one word, in plain characters."""
    if not token or not token.isascii() or any(not character.isprintable() or character == " " for character in token):
        raise Failure(f"{source} does not hold one API token. Nothing was sent.", Exit.AUTH)
    return token


def stored() -> Credentials | None:
    """What `sublet login` stored, or None; a file that others can read is refused."""
    path = credentials_file()
    try:
        mode = path.stat().st_mode
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}. Sign in again: sublet login", Exit.AUTH) from error
    if mode & 0o077:
        raise Failure(
            f"{path} holds your token and others on this machine can read it. It was not used. "
            f"Close it (chmod 600 {path}), and revoke the token if somebody may have seen it.",
            Exit.AUTH,
        )
    try:
        said = json.loads(content)
        # `login` stores nothing for a URL that is not encrypted unless it was told so.
        return Credentials(str(said["url"]), str(said["token"]), allow_http=True)
    except (ValueError, KeyError, TypeError) as error:
        raise CredentialsDamaged(f"{path} is damaged. Sign in again: sublet login", Exit.AUTH) from error


def store(credentials: Credentials) -> Path:
    """Keep URL and token in a 0600 file and say where."""
    path = credentials_file()
    try:
        make_private_directory(path.parent)
        write_private(path, json.dumps({"url": credentials.url, "token": credentials.token}) + "\n")
    except OSError as error:
        raise Failure(
            f"{path} cannot be written: {error.strerror}. The token was not stored. "
            "Set XDG_CONFIG_HOME to a directory that you can write, or use SUBLET_URL and SUBLET_TOKEN_FILE."
        ) from error
    return path


def forget() -> bool:
    """Remove what was stored; whether there was anything."""
    path = credentials_file()
    there = path.exists()
    path.unlink(missing_ok=True)
    return there


def current() -> Credentials:
    """What this command uses; Failure (4) says how to sign in."""
    url = os.environ.get("SUBLET_URL") or None
    token_file = os.environ.get("SUBLET_TOKEN_FILE") or None
    if url is not None and token_file is not None:
        return Credentials(url, read_token(token_file), allow_http=os.environ.get(ALLOW_HTTP) == "1")
    known = stored()
    if token_file is not None:
        return Credentials(known.url if known else DEFAULT_URL, read_token(token_file), allow_http=True)
    if known is None:
        raise Failure("You are not signed in. Sign in: sublet login", Exit.AUTH)
    # A token is a secret between this machine and one server: another server must not get it to see.
    if url is not None and url.rstrip("/") != known.url.rstrip("/"):
        raise Failure(
            f"SUBLET_URL is {url}, and you are signed in to {known.url}. Your token was not sent. "
            f"Sign in there (sublet login --url {url}), or give its token with SUBLET_TOKEN_FILE.",
            Exit.AUTH,
        )
    return known
