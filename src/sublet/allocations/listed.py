"""One allocation of a list, from PostgreSQL's columns to JSON.

What never changes (name, offer, price, an operation that has ended) is asked for once and remembered; the rest comes
as text, and is put together here without an object between. `schemas.AllocationOut` says what comes out; tests hold
the two together.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sublet.billing import in_lists
from sublet.core.money import Money, Rate
from sublet.core.reads import Columns

OPERATION = """
    json_build_object('id', o.id, 'kind', o.kind, 'state', o.state, 'attempts', o.attempts, 'error', o.error,
                      'started_at', o.started_at, 'finished_at', o.finished_at, 'steps', o.steps)
"""
_BY_IDS = "IN (SELECT jsonb_array_elements_text(CAST(:ids AS jsonb)))"
LASTING = f"""
    SELECT a.id, left(json_build_object('id', a.id, 'name', a.name, 'sku', a.sku, 'price', a.price,
                                        'created_at', a.created_at)::text, -1)
      FROM allocation a WHERE a.id {_BY_IDS}
"""  # noqa: S608 - only constant expressions
"""What was fixed at the launch: a trigger keeps it from changing. Its JSON is left open; `write` goes on from there."""
ENDED_OPERATIONS = f"""
    SELECT o.id, {OPERATION}::text FROM allocation_operation o WHERE o.id {_BY_IDS} AND o.finished_at IS NOT NULL
"""  # noqa: S608 - only constant expressions
"""Operations that have ended: a trigger keeps them as they are."""

COLUMNS = f"""
    SELECT a.id, a.seq, a.organization_id, a.state, a.wanted, a.currency,
           extract(epoch FROM clock_timestamp() - a.state_since)::bigint,
           n.node_id, n.name, n.limits_enforced, n.address, n.port, a.login,
           to_json(a.started_at)::text, to_json(a.ended_at)::text, to_json(a.release_requested_at)::text,
           a.failure::text, a.enforced::text, a.evidence::text,
           a.operation_id, CASE WHEN o.finished_at IS NULL AND o.id IS NOT NULL THEN {OPERATION}::text END,
           coalesce(k.delivered_seconds, 0)::text, coalesce(k.charged, 0)::text, coalesce(k.accrued, 0)::text,
           coalesce(k.charged + k.accrued, 0)::text, coalesce(h.rest, 0)::text, coalesce(k.nano_per_hour, 0)::text,
           to_json(coalesce(k.as_of, a.created_at))::text
"""  # noqa: S608 - only constant expressions
"""Everything else, amounts as text and times as JSON; their places are those that `write` unpacks."""
WIDTH = 28
ID, SEQ, ORGANIZATION, STATE, WANTED, CURRENCY, STATE_SECONDS = range(7)
ENDED_AT, OPERATION_ID, RUNNING_OPERATION = 14, 19, 20

FROM = f"""
      FROM allocation a
      JOIN node_capacity n ON n.node_id = a.node_id
      LEFT JOIN allocation_operation o ON o.id = a.operation_id
      LEFT JOIN ledger.open_hold h ON h.id = a.hold_id
      LEFT JOIN LATERAL ({in_lists.COST} WHERE m.subject_id = a.id) k ON true
"""


def write(row: Columns, lasting: str, operations: Mapping[str, str], end: str) -> bytes:
    """The allocation as JSON: `lasting` is its own of `LASTING`, `end` what follows all that is stored."""
    (
        _, _, _, state, wanted, currency, _,
        node_id, node_name, limits_enforced, address, port, login,
        started_at, ended_at, release_requested_at, failure, enforced, evidence, operation_id, running,
        delivered_seconds, charged, accrued, total, held, nano_per_hour, as_of,
    ) = row[:WIDTH]  # fmt: skip
    node, ssh = _place(node_id, node_name, limits_enforced, address, port)
    shown_login = "null" if started_at is None else f'"{login}"'
    shown_ssh = ssh % login if state == wanted == "active" else "null"
    operation = "null" if operation_id is None else running or operations[operation_id]
    return (
        f'{lasting},"state":"{state}","node":{node},"login":{shown_login},"ssh":{shown_ssh},'
        f'"started_at":{started_at or "null"},"ended_at":{ended_at or "null"},'
        f'"release_requested_at":{release_requested_at or "null"},"failure":{failure or "null"},'
        f'"enforced":{enforced},"evidence":{evidence or "null"},"operation":{operation},'
        f'"delivered_seconds":{delivered_seconds},"cost":{{"charged":{_money(charged, currency)},'
        f'"accrued":{_money(accrued, currency)},"total":{_money(total, currency)},"held":{_money(held, currency)},'
        f'"rate":{_rate(nano_per_hour, currency)},"as_of":{as_of}}}{end}'
    ).encode()


@lru_cache(maxsize=16384)
def _money(micro: str, currency: str) -> str:
    return _json({"amount": Money(int(micro)).decimal_string(), "currency": currency})


@lru_cache(maxsize=1024)
def _rate(nano_per_hour: str, currency: str) -> str:
    return _json({"amount": Rate(int(nano_per_hour)).decimal_string(), "currency": currency, "per": "hour"})


@lru_cache(maxsize=4096)
def _place(node_id: str, name: str, limits_enforced: bool, address: str, port: int) -> tuple[str, str]:
    """Its node, and how to reach it there: a template with a place for the login."""
    option = "" if port == 22 else f"-p {port} "
    ssh = {"host": address, "port": port, "command": f"ssh {option}LOGIN@{address}"}
    node = {"id": node_id, "name": name, "limits_enforced": limits_enforced}
    return _json(node), _json(ssh).replace("%", "%%").replace(" LOGIN@", " %s@", 1)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
