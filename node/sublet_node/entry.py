"""sublet-node: the command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import HELPER_VERSION, boot, confinement, enrol, rpc, startup_run, unenrol, upgrade
from .errors import NodeError
from .store import Store


def main(arguments: list[str] | None = None) -> int:
    """Run one command; status 1 with one line on standard error when it fails."""
    chosen = _parser().parse_args(arguments)
    try:
        return _run(chosen)
    except NodeError as error:
        print(f"sublet-node: {error.message}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"sublet-node: {error}", file=sys.stderr)
        return 1


def _run(chosen: argparse.Namespace) -> int:
    if chosen.command == "watch-startup":
        return startup_run.watch(chosen.login)
    alone = {"rpc": rpc.main, "boot": _boot, "check": upgrade.check, "guard": upgrade.guard, "settle": _settle}
    if chosen.command in alone:
        return alone[chosen.command]()
    if chosen.command == "unenrol":
        unenrol.unenrol(print, force=chosen.force)
        return 0
    token = sys.stdin.readline() if chosen.token_stdin else Path(chosen.token_file).read_text(encoding="utf-8")
    enrol.enrol(
        *(chosen.url, token.strip(), chosen.deny, chosen.allow, print),
        io_mib=chosen.io_mib,
        only_look=chosen.check,
    )
    return 0


def _boot() -> int:
    problems = boot.boot(Store())
    for problem in problems:
        print(f"sublet-node: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _settle() -> int:
    confinement.install()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sublet-node", description="Makes this machine a node of a Sublet fleet.")
    parser.add_argument("--version", action="version", version=HELPER_VERSION)
    commands = parser.add_subparsers(dest="command", required=True)
    join = commands.add_parser("enrol", help="join a control plane (safe to repeat)")
    join.add_argument("--url", required=True, help="address of the control plane, as in the join command")
    join.add_argument("--check", action="store_true", help="only look whether it can be done; change nothing")
    token = join.add_mutually_exclusive_group(required=True)
    token.add_argument("--token-file", help="file with the one-time join token")
    token.add_argument("--token-stdin", action="store_true", help="read the one-time join token from standard input")
    join.add_argument(
        *("--deny",),
        action="append",
        default=[],
        metavar="HOST[:PORT]|PREFIX",
        help="keep allocations from this address or prefix (without any: from the control plane's own)",
    )
    join.add_argument(
        *("--allow",),
        action="append",
        default=[],
        metavar="HOST[:PORT]|PREFIX",
        help="let allocations reach this private address or prefix",
    )
    join.add_argument(
        "--io-mib",
        type=int,
        metavar="MIB",
        help="let each allocation read and write at most so much in a second where the homes are; 0 for any number",
    )
    leave = commands.add_parser("unenrol", help="restore this machine as it was before")
    leave.add_argument("--force", action="store_true", help="end the allocations that are still here")
    commands.add_parser("rpc", help="speak the node protocol on standard input and output")
    commands.add_parser("check", help="say whether this helper runs here (asked before it is put in place)")
    commands.add_parser("settle", help="set up for sessions what this version needs (asked once it is in place)")
    commands.add_parser("guard", help="undo an upgrade of the helper that nobody confirms (started by it)")
    commands.add_parser("boot", help="put back what a boot clears (run by systemd)")
    watch = commands.add_parser("watch-startup", help="run the startup script of a login (begun by the node itself)")
    watch.add_argument("login")
    return parser
