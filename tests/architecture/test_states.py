"""Only a domain's states.py changes a state, whatever form the change has."""

import pytest

from tests.architecture.source import broken, planted
from tests.architecture.states import assigned_columns, states_assigned_outside_their_table


class TestStates:
    def test_are_changed_by_their_table_alone(self) -> None:
        assert broken(states_assigned_outside_their_table) == []

    @pytest.mark.parametrize(
        "text",
        [
            'await session.execute(text("UPDATE node SET state = :s WHERE id = :id"))',
            'await session.execute(text(f"UPDATE {table} SET name = :n, state = :s WHERE id = :id"))',
            'session.execute(text("update node set name = coalesce(:n, (select 1 from x)), state = :s"))',
            'session.execute(text("UPDATE node SET (state, name) = (:s, :n) WHERE id = :id"))',
            'session.execute(text("UPDATE node SET (name, state) = ROW (:n, :s) WHERE id = :id"))',
            'session.execute(text("UPDATE node SET (name, state) = (SELECT a, b FROM c) WHERE id = :id"))',
            'session.execute(text("INSERT INTO node (id) VALUES (:id) ON CONFLICT (id) DO UPDATE SET state = :s"))',
            'session.execute(text("UPDATE node " + "SET state = :s"))',
            "session.execute(update(node).where(node.c.id == 1).values(state='ready'))",
            'session.execute(update(node).values(**{"state": "ready"}))',
            'session.execute(update(node).values({"state": "ready"}))',
            'session.execute(update(node).values({node.c.state: "ready"}))',
            'session.execute(update(node).values({node.c["state"]: "ready"}))',
            'session.execute(update(node).values({"name": "x"} | {"state": "ready"}))',
            'session.execute(update(node).values(dict(state="ready")))',
            'session.execute(update(node).values(dict([("state", "ready")])))',
            'session.execute(update(node).values(dict(**{"state": "ready"})))',
            'session.execute(update(node).values([("state", "ready")]))',
            'session.execute(update(node).values(("nd_1", "name", "ready")))',
            'row = ("nd_1", "name", "ready")\nsession.execute(update(node).values(row))',
            'session.execute(update(node).ordered_values(("state", "ready")))',
            'session.execute(update(node).ordered_values((node.c.name, "x"), (node.c.state, "ready")))',
            'statement = update(node)\nsession.execute(statement.values(state="ready"))',
            'statement = update(node)\nstatement = statement.where(x)\nrun(statement.values(state="ready"))',
            'changes = {"state": "ready"}\nsession.execute(update(node).values(**changes))',
            'changes = {"state": "ready"}\nsession.execute(node.update().values(changes))',
            'changes: dict[str, str] = {"state": "ready"}\nsession.execute(node.update().values(changes))',
            'changes = {"name": "x"}\nchanges = changes | {"state": "ready"}\nrun(update(node).values(changes))',
            'changes = {}\nchanges["state"] = "ready"\nsession.execute(node.update().values(changes))',
            'session.execute(build(node).values(state="ready"))',
            'adding = insert(node).values(id=1)\nrun(adding.on_conflict_do_update(set_={"state": "ready"}))',
        ],
    )
    def test_changed_elsewhere_are_caught(self, text: str) -> None:
        assert states_assigned_outside_their_table(planted(text))

    @pytest.mark.parametrize(
        "text",
        [
            'session.execute(insert(node).values(state="enrolling"))',
            'session.execute(insert(node).values(("nd_1", "name", "enrolling")))',
            'session.execute(node.insert().values({"state": "enrolling"}))',
            'adding = insert(node)\nadding = adding.returning(node.c.id)\nsession.execute(adding.values(state="new"))',
            'session.execute(update(node).where(node.c.state == "ready").values(name="x"))',
            "session.execute(text(\"UPDATE node SET name = 'x' WHERE state = 'ready'\"))",
            'session.execute(update(node).values([("name", "x")]))',
            'session.execute(update(node).values(dict(name="x")))',
            'session.execute(update(node).ordered_values(("name", "x"), (node.c.port, 22)))',
            'adding = insert(node).values(id=1)\nrun(adding.on_conflict_do_update(set_={"name": "x"}))',
        ],
    )
    def test_may_be_the_first_of_a_new_row_or_a_condition(self, text: str) -> None:
        assert states_assigned_outside_their_table(planted(text)) == []

    def test_are_changed_in_a_states_file(self) -> None:
        source = planted('text("UPDATE node SET state = :s WHERE id = :id")', "fleet/states.py")
        assert states_assigned_outside_their_table(source) == []


class TestTheColumnsOfAnUpdate:
    def test_end_where_its_clause_does(self) -> None:
        assert assigned_columns("UPDATE a SET b = (SELECT x FROM y WHERE z = 1), c = 2 FROM d WHERE e = 3") == {
            "b",
            "c",
        }
        assert assigned_columns("UPDATE a SET b = 1 WHERE c = 2 RETURNING d, state = 'x' AS e") == {"b"}
        assert assigned_columns("UPDATE a SET b = 1; SELECT c, state = 'x' FROM d") == {"b"}
        assert assigned_columns("WITH u AS (UPDATE a SET b = 1) SELECT c, state = 'x' FROM u") == {"b"}
        assert assigned_columns("SELECT state = 'x' FROM a FOR UPDATE") == set()
