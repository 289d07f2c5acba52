"""A domain's SQL stays with its own tables and what others publish."""

import pytest

from tests.architecture.source import broken, planted, with_sql
from tests.architecture.tables import (
    ELSEWHERE,
    made_in,
    relations,
    tables_of_others,
    tables_without_a_domain,
    unneeded_exceptions,
)


class TestTables:
    def test_are_spoken_of_by_their_own_domain_alone(self) -> None:
        assert broken(tables_of_others, with_sql()) == []

    def test_are_all_known(self) -> None:
        owners = {name: relation.owner for name, relation in relations().items()}
        assert owners["node"] == "fleet"
        assert owners["ledger.posting"] == "ledger"
        assert owners["outbox_event"] == "core"
        assert owners["allocation"] == "allocations"
        assert relations()["ledger.funds"].published
        assert not relations()["ledger.wallet"].published

    @pytest.mark.parametrize(
        "text",
        [
            'text("SELECT name FROM node WHERE id = :id")',
            'text("select name from node where id = :id")',
            'text(f"SELECT {columns} FROM node WHERE id = :id")',
            'text("SELECT name " + "FROM node")',
            "text('SELECT 1 FROM public.node')",
            "text('SELECT 1 FROM \"node\"')",
            'text("SELECT 1 FROM ONLY node")',
            'text("SELECT 1 FROM meter m, node n WHERE m.subject_id = n.id")',
            'text("SELECT 1 FROM meter JOIN node ON true")',
            'text("SELECT (SELECT state FROM node WHERE id = subject_id) FROM meter")',
            'text("UPDATE meter m SET rate = 1 FROM node n WHERE n.id = m.subject_id")',
            'text("UPDATE node SET name = :n")',
            'text("INSERT INTO node (id) VALUES (:id)")',
            'text("DELETE FROM node")',
            'text("DELETE FROM meter USING node")',
            'text("TRUNCATE node")',
            'text("LOCK TABLE node")',
            'text("ALTER TABLE node ADD COLUMN a int")',
            'text("COPY node TO STDOUT")',
            'text("MERGE INTO node USING meter ON true WHEN MATCHED THEN DELETE")',
            'text("SELECT amount FROM ledger.posting")',
            'text("SELECT ledger.place_hold(:id, 1)")',
            'text("SELECT ledger.not_made_here(:id)")',
            'text("SELECT claim_may_change()")',
            'text("SELECT * FROM work")',
            "node = Table('node', metadata)",
            "posting = Table('posting', metadata, schema='ledger')",
            "SCHEMA = 'ledger'\nposting = sa.table('posting', schema=SCHEMA)",
            'text("SELECT * FROM allocation")',
        ],
    )
    def test_of_another_domain_are_caught(self, text: str) -> None:
        assert tables_of_others(planted(text))

    @pytest.mark.parametrize(
        "text",
        [
            'text("SELECT 1 FROM meter m, usage_record r")',
            'text("SELECT total FROM ledger.funds")',
            'text("WITH node AS (SELECT 1 FROM meter) SELECT 1 FROM node")',
            'text("SELECT extract(epoch FROM claim) FROM meter WHERE a IS DISTINCT FROM price")',
            'raise Refused("Take the price from node 1, and update node 2")',
            '"""SELECT name FROM node"""',
        ],
    )
    def test_of_ones_own_and_published_views_are_fine(self, text: str) -> None:
        assert tables_of_others(planted(text)) == []

    def test_are_not_read_in_a_migration_or_a_file_of_sql_either(self) -> None:
        view = "CREATE VIEW busy AS SELECT id FROM node"
        assert tables_of_others(planted(f'V = "{view}"', "migrations/versions/0099_billing.py"))
        assert tables_of_others(planted(view, "billing/sql/views.sql"))
        assert tables_of_others(planted(f'V = "{view}"', "migrations/versions/0099_fleet.py")) == []

    def test_are_published_downwards_only(self) -> None:
        view = planted(
            "V = \"CREATE VIEW open_meter AS SELECT 1; COMMENT ON VIEW open_meter IS 'Published: meters that run.'\"",
            "migrations/versions/0099_billing.py",
        )
        known = made_in([view])
        reading = 'text("SELECT 1 FROM open_meter")'
        assert tables_of_others(planted(reading, "allocations/planted.py"), known) == []
        assert tables_of_others(planted(reading, "ledger/planted.py"), known)
        assert tables_of_others(planted(reading, "fleet/planted.py"), known)

    def test_are_made_by_a_migration_named_for_their_domain(self) -> None:
        assert tables_without_a_domain(with_sql()) == []
        assert tables_without_a_domain([planted('T = "CREATE TABLE a (b int)"', "migrations/versions/0099_things.py")])

    def test_are_no_longer_excused_than_needed(self) -> None:
        assert unneeded_exceptions() == []
        assert all(ELSEWHERE.values())
        assert unneeded_exceptions(["entry/gone.py"])
        assert unneeded_exceptions(["billing/meters.py"])
