"""What the sandbox remembers: one SQLite file, one writer, one transaction per request."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sublet_sandbox.own_files import open_own

Resource = dict[str, Any]
"""A Stripe object as JSON. Keys that begin with an underscore are the sandbox's own and never leave it."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS resource (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    created INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS resource_by_kind ON resource (kind, seq);
CREATE INDEX IF NOT EXISTS event_about ON resource (json_extract(body, '$.data.object.id'), seq) WHERE kind = 'event';
CREATE TABLE IF NOT EXISTS idempotent_request (
    key TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    request_id TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    created INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL REFERENCES resource (id),
    progress TEXT NOT NULL CHECK (progress IN ('due', 'held', 'dropped', 'delivered', 'given_up')),
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL,
    last_status INTEGER
);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (due_at) WHERE progress = 'due';
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_ALPHABET = string.ascii_letters + string.digits


class DataFileInUse(Exception):
    """Another sandbox has the data file open."""


def new_id(prefix: str, length: int = 24) -> str:
    """An id as Stripe makes them: prefix, underscore, random letters and digits."""
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(length))


class Store:
    """The data file; NotOurs if a link is in its place.

    Used from the event loop's thread only, and never across an await inside a transaction.
    """

    def __init__(self, path: Path) -> None:
        os.close(open_own(str(path), os.O_RDWR | os.O_CREAT))
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=1.0)
        self._connection.row_factory = sqlite3.Row
        try:
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            self._connection.close()
            if "locked" not in str(error):
                raise
            raise DataFileInUse(f"{path} is in use by another sandbox") from error

    def close(self) -> None:
        """Close the file; nothing can be read or written afterwards."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside happen, or none; commits survive a kill."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def forget_all(self) -> None:
        """Keep nothing of what there was, settings neither."""
        for table in ("delivery", "resource", "idempotent_request", "setting"):
            self.execute(f"DELETE FROM {table}")  # noqa: S608  names of ours

    def execute(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        """Run one statement and return its rows."""
        return self._connection.execute(statement, parameters).fetchall()

    def insert(self, resource: Resource) -> None:
        """Keep a new object; `object`, `id` and `created` must be in it."""
        self.execute(
            "INSERT INTO resource (id, kind, created, body) VALUES (?, ?, ?, ?)",
            (resource["id"], resource["object"], resource["created"], json.dumps(resource)),
        )

    def save(self, resource: Resource) -> None:
        """Replace an object that is already kept."""
        self.execute("UPDATE resource SET body = ? WHERE id = ?", (json.dumps(resource), resource["id"]))

    def get(self, resource_id: str, kind: str | None = None) -> Resource | None:
        """The object, or None when the id is unknown or names another kind."""
        rows = self.execute("SELECT kind, body FROM resource WHERE id = ?", (resource_id,))
        if not rows or (kind is not None and rows[0]["kind"] != kind):
            return None
        found: Resource = json.loads(rows[0]["body"])
        return found

    def find(
        self,
        kind: str,
        *,
        equal: Mapping[str, Any] | None = None,
        any_of: Mapping[str, list[str]] | None = None,
        created: Mapping[str, int] | None = None,
        after: str | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[Resource]:
        """Objects newest first; `after` continues below an id, `before` returns those just above it."""
        where, values = ["kind = ?"], [kind]
        for field, value in (equal or {}).items():
            where.append(f"json_extract(body, '$.{field}') = ?")
            values.append(value)
        for field, wanted in (any_of or {}).items():
            where.append(f"json_extract(body, '$.{field}') IN ({', '.join('?' * len(wanted))})")
            values.extend(wanted)
        signs = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
        for name, moment in (created or {}).items():
            where.append(f"created {signs[name]} ?")
            values.append(str(moment))
        for sign, anchor in (("<", after), (">", before)):
            if anchor is not None:
                where.append(f"seq {sign} (SELECT seq FROM resource WHERE id = ?)")  # noqa: S608  the sign is ours
                values.append(anchor)
        order = "ASC" if before is not None else "DESC"
        rows = self.execute(
            # Field names come from the code, values are bound.
            f"SELECT body FROM resource WHERE {' AND '.join(where)} ORDER BY seq {order} LIMIT ?",  # noqa: S608
            (*values, limit),
        )
        return [json.loads(row["body"]) for row in rows]

    def last_told(self, resource_id: str) -> Resource | None:
        """An object as the newest event about it has it."""
        rows = self.execute(
            "SELECT body FROM resource WHERE kind = 'event' AND json_extract(body, '$.data.object.id') = ?"
            " ORDER BY seq DESC LIMIT 1",
            (resource_id,),
        )
        if not rows:
            return None
        told: Resource = json.loads(rows[0]["body"])["data"]["object"]
        return told

    def setting(self, name: str, default: Any) -> Any:
        """A value set through the control path, or its default."""
        rows = self.execute("SELECT value FROM setting WHERE name = ?", (name,))
        return json.loads(rows[0]["value"]) if rows else default

    def set_setting(self, name: str, value: Any) -> None:
        """Keep a value that JSON can hold under a name, in place of an earlier one."""
        self.execute("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)", (name, json.dumps(value)))
