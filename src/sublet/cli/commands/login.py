"""`login`, `logout`, `whoami`: who is asking."""

import os
import shutil
import sys
from typing import cast

import click

from sublet.cli.connection import connect, note, require_safe
from sublet.cli.credentials import (
    DEFAULT_URL,
    Credentials,
    CredentialsDamaged,
    check_token,
    current,
    forget,
    read_token,
    store,
    stored,
)
from sublet.cli.exits import Exit
from sublet.cli.failures import Failure
from sublet.cli.output import Output, output_options
from sublet.cli.paths import ssh_directory
from sublet.cli.tables import print_facts
from sublet.client.shapes import Me


@click.command()
@click.option("--url", help=f"Where Sublet runs. Default: SUBLET_URL, the last one, or {DEFAULT_URL}.")
@click.option("--token-file", metavar="FILE", help="Read the token from FILE (- is standard input) and do not ask.")
@click.option("--allow-http", is_flag=True, help="Send the token unencrypted over a private network.")
@output_options(quiet=False)
def login(url: str | None, token_file: str | None, allow_http: bool, output: Output) -> None:
    """Sign in with an API token, which you create in the console.

    The token is verified and kept in a file that only you can read.
    """
    address = (url or os.environ.get("SUBLET_URL") or _last_url() or DEFAULT_URL).rstrip("/")
    require_safe(address, allowed=allow_http, how="add --allow-http")
    credentials = Credentials(address, _token(address, token_file), allow_http=allow_http)
    with connect(credentials) as client:
        me = client.me()
    # What an earlier token opened is not for this one.
    shutil.rmtree(ssh_directory(), ignore_errors=True)
    path = store(credentials)
    note(f"Signed in to {address} as {me['user']['email']}. The token is in {path}.")
    if terms := me["terms_to_accept"]:
        note(f"Before you add funds, accept the terms (version {terms['version']}, {terms['url']}) in the console.")
    if output.as_json:
        output.one(_here(address, me), _show)


@click.command()
def logout() -> None:
    """Forget the token, and the keys and certificates of `sublet ssh`."""
    shutil.rmtree(ssh_directory(), ignore_errors=True)
    if not forget():
        note("You were not signed in.")
        return
    note("Signed out on this machine. The token itself works until it expires or you revoke it in the console.")


@click.command()
@output_options(quiet=False)
def whoami(output: Output) -> None:
    """Show who you are here, and in which organization."""
    credentials = current()
    with connect(credentials) as client:
        me = client.me()
    output.one(_here(credentials.url, me), _show)


def _show(me: "WhoAmI") -> None:
    organization = me["organization"]
    print_facts(
        [
            ("User", f"{me['user']['name']} <{me['user']['email']}>"),
            ("Organization", f"{organization['name']} ({organization['role']})"),
            ("Platform roles", ", ".join(me["platform_roles"])),
            ("Terms to accept", f"{terms['version']} ({terms['url']})" if (terms := me["terms_to_accept"]) else ""),
            ("Sublet", me["url"]),
        ]
    )


def _here(url: str, me: Me) -> "WhoAmI":
    return cast(WhoAmI, {"url": url, **me})


class WhoAmI(Me):
    """Who the caller is, and where."""

    url: str


def _last_url() -> str | None:
    try:
        known = stored()
    except CredentialsDamaged:
        # Signing in is what mends them.
        return None
    return known.url if known else None


def _token(address: str, token_file: str | None) -> str:
    if token_file == "-":  # noqa: S105 - the usual name of standard input
        return check_token(sys.stdin.read().strip(), "Standard input")
    if token_file is not None:
        return read_token(token_file)
    if not sys.stdin.isatty():
        raise Failure("There is no terminal to ask at. Give the token with --token-file FILE.", Exit.USAGE)
    note(f"Create an API token in the console at {address} (Settings) and paste it here. It is not shown.")
    return check_token(click.prompt("Token", hide_input=True, err=True).strip(), "What you pasted")
