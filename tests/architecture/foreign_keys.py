"""Each foreign key has an index that finds the rows of one referenced row, or a reason why it needs none.

Without one, to delete a referenced row reads the whole referencing table, and so does everybody who asks for the rows
that belong to one.
"""

from typing import NamedTuple

import psycopg

UNINDEXED = """
SELECT c.conrelid::regclass::text || '.' || string_agg(a.attname, ',' ORDER BY k.place)
  FROM pg_constraint c
 CROSS JOIN LATERAL unnest(c.conkey) WITH ORDINALITY AS k(attnum, place)
  JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum
 WHERE c.contype = 'f'
   AND NOT EXISTS (SELECT FROM pg_index i
                    WHERE i.indrelid = c.conrelid AND i.indpred IS NULL
                      AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)
 GROUP BY c.oid, c.conrelid
"""

_NEVER_DELETED = "no {0} is ever deleted, and "
WITHOUT = {
    "allocation.launched_by": _NEVER_DELETED.format("user") + "nobody asks what somebody launched",
    "allocation.node_id": _NEVER_DELETED.format("node") + "only what is on one is asked for, by a partial index",
    "allocation.operation_id": _NEVER_DELETED.format("operation") + "each is found by its allocation",
    "allocation.price_id": _NEVER_DELETED.format("price") + "nobody asks who has one",
    "allocation.sku_id": _NEVER_DELETED.format("SKU") + "nobody asks who has one",
    "approval.decided_by": _NEVER_DELETED.format("user") + "nobody asks what somebody decided",
    "approval.requested_by": _NEVER_DELETED.format("user") + "what somebody asked for is found by its digest",
    "claim.sku_id": _NEVER_DELETED.format("SKU") + "nobody asks who claimed one",
    "ledger.hold.wallet_id": _NEVER_DELETED.format("wallet") + "only open holds are asked for, by a partial index",
    "user_session.organization_id": _NEVER_DELETED.format("organization") + "sessions are asked for by user",
    "user_session.user_id": _NEVER_DELETED.format("user") + "only live sessions are asked for, by a partial index",
}
"""Foreign keys that need no index, each with the reason."""


class Judged(NamedTuple):
    """Foreign keys that lack an index, and reasons that are given for keys that have one or are gone."""

    missing: set[str]
    unneeded: set[str]


def judge(connection: psycopg.Connection[tuple[str, ...]]) -> Judged:
    """What of a migrated database breaks the rule."""
    found = {key for (key,) in connection.execute(UNINDEXED)}
    return Judged(found - WITHOUT.keys(), WITHOUT.keys() - found)
