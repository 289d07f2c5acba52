"""Run the sandbox: python -m sublet_sandbox.stripe --port 4242 --data stripe.db …"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import uvicorn

from sublet_sandbox.mailbox.folder import Folder
from sublet_sandbox.mailbox.receiver import Receiver
from sublet_sandbox.own_files import NotOurs
from sublet_sandbox.stripe.app import Configuration, create_app
from sublet_sandbox.stripe.store import DataFileInUse


def _secret(path: Path, what: str, prefix: str) -> str:
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        sys.exit(f"The {what} cannot be read: {error}")
    if not secret.startswith(prefix):
        sys.exit(f"The {what} in {path} must begin with {prefix}, as a test key does.")
    return secret


def main(arguments: list[str] | None = None) -> None:
    """Serve on 127.0.0.1 until told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m sublet_sandbox.stripe", description="A sandbox that speaks Stripe's API."
    )
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--data", type=Path, required=True, help="SQLite file that holds the state")
    parser.add_argument("--api-key-file", type=Path, required=True, help="file with the secret key (sk_test_…)")
    parser.add_argument(
        "--webhook-secret-file", type=Path, required=True, help="file with the signing secret (whsec_…)"
    )
    parser.add_argument("--webhook-url", required=True, help="where events are delivered")
    parser.add_argument("--mailbox", type=Path, help="folder that mail is kept in; without it there is no mailbox")
    parser.add_argument("--smtp-port", type=int, default=0, help="port on 127.0.0.1 that takes mail")
    given = parser.parse_args(arguments)
    os.umask(0o077)  # what it keeps is for its own account only
    configuration = Configuration(
        base_url=f"http://127.0.0.1:{given.port}",
        data_file=given.data,
        api_key=_secret(given.api_key_file, "API key", "sk_test_"),
        webhook_secret=_secret(given.webhook_secret_file, "webhook secret", "whsec_"),
        webhook_url=given.webhook_url,
        mailbox=None if given.mailbox is None else Receiver(Folder(given.mailbox), given.smtp_port),
    )
    try:
        app = create_app(configuration)
    except (DataFileInUse, NotOurs) as error:
        sys.exit(str(error))
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning", access_log=False, server_header=False)


if __name__ == "__main__":
    main()
