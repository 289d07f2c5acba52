"""`sublet verify`: an auditor's look at a database, with nothing but it and a file of signed heads of its seals."""

import argparse
import json
import os
import sys
from base64 import b64decode, b64encode
from binascii import Error
from dataclasses import asdict
from pathlib import Path

from sqlalchemy.exc import ArgumentError, DBAPIError

from sublet.admin.verification import Verified, verify
from sublet.core import heads


def main(arguments: list[str] | None = None) -> int:
    """Say of each chain whether it is what the heads say; 1 if one is not, 2 if that could not be found out."""
    parser = argparse.ArgumentParser(
        prog="sublet verify",
        description="Compare the ledger, its accounts, usage, payments and the audit trail of a database with signed "
        "heads of their seals. It computes every hash itself, from tables alone, and only reads: a rewrite, also one "
        "that was sealed anew, a row that no seal can reach, and a tail that is gone are found whoever made them. For "
        "a dump, restore it to a server of your own.",
    )
    parser.add_argument("--heads", type=Path, required=True, help="the file that SUBLET_SEAL_HEADS_FILE named")
    parser.add_argument(
        "--key", help="the public key that you kept, in Base64 (default: that of the file's first line)"
    )
    parser.add_argument("--database", help="its address (default: DATABASE_URL)")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
    given = parser.parse_args(arguments)
    url = given.database or os.environ.get("DATABASE_URL")
    try:
        lines = heads.read(given.heads)
        key = None if given.key is None else b64decode(given.key, validate=True)
        if not url or not lines:
            what = f"{given.heads} holds no head" if url else "there is no address of a database"
            print(f"Nothing was verified: {what}.", file=sys.stderr)
            return 2
        found = verify(url, given.heads, key=key)
    except (OSError, ValueError, KeyError, Error) as error:
        print(f"Nothing was verified: the heads or the key cannot be read ({error}).", file=sys.stderr)
        return 2
    except (DBAPIError, ArgumentError) as error:
        said = str(getattr(error, "orig", error)).strip().splitlines()[0]
        print(f"Nothing was verified: the database could not be read ({said}).", file=sys.stderr)
        return 2
    if given.as_json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        _show(found)
    if key is None:
        first = b64encode(lines[0].key).decode()
        print(f"The key is that of the file's first line: {first}. Keep it elsewhere, and give it.", file=sys.stderr)
    return 1 if any(one.problems for one in found) else 0


def _show(found: list[Verified]) -> None:
    for one in found:
        told = "is not what was sealed" if one.problems else "is what was sealed" if one.heads else "has no head"
        after = f", {one.unsealed} rows after them not sealed yet" if one.unsealed else ""
        print(f"{one.name}: {told}; {one.seals} seals up to {one.sealed_to}, {one.heads} heads{after}")
        for problem in one.problems:
            print(f"  {problem}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
