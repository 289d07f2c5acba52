"""Each rule holds for the code, and catches a planted violation."""

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from sublet.core.db import Database, OpenSessionError, forbid_open_session
from tests.architecture import rules

SourceRule = Callable[[str, str], list[rules.Violation]]

PLANTED_IN_PAYMENTS = [
    "from sublet.demo.stripe import cards",
    "from sublet.demo import info",
    "from sublet import demo",
    "import sublet.demo.stripe.cards as cards",
    "async def pay(settings):\n    if settings.demo:\n        return",
    "fake = getattr(settings, 'demo')",
    "fake = os.environ.get('SUBLET_DEMO')",
]

PLANTED: list[tuple[SourceRule, str]] = [
    (
        rules.states_assigned_outside_their_table,
        'await session.execute(text("UPDATE node SET state = :s WHERE id = :id"))',
    ),
    (
        rules.states_assigned_outside_their_table,
        "session.execute(update(node).where(node.c.id == 1).values(state='ready'))",
    ),
    *(
        (rules.states_assigned_outside_their_table, source)
        for source in (
            'session.execute(update(node).values(**{"state": "ready"}))',
            'session.execute(update(node).values({"state": "ready"}))',
            'session.execute(update(node).values({"name": "x"} | {"state": "ready"}))',
            'session.execute(update(node).values(dict(state="ready")))',
            'session.execute(update(node).ordered_values(("state", "ready")))',
            'statement = update(node)\nsession.execute(statement.values(state="ready"))',
            'statement = update(node)\nstatement = statement.where(x)\nrun(statement.values(state="ready"))',
            'changes = {"state": "ready"}\nsession.execute(update(node).values(**changes))',
            'changes = {"state": "ready"}\nsession.execute(node.update().values(changes))',
            'session.execute(build(node).values(state="ready"))',
            'await session.execute(text(f"UPDATE {table} SET name = :n, state = :s WHERE id = :id"))',
        )
    ),
    (rules.commits_outside_the_database_module, "await session.commit()"),
    (rules.commits_outside_the_database_module, 'session.execute(text("COMMIT"))'),
    (rules.network_clients_without_the_guard, "async def go():\n    await asyncssh.connect('node')"),
]


class TestSourceRules:
    @pytest.mark.parametrize(
        "rule",
        [
            rules.states_assigned_outside_their_table,
            rules.commits_outside_the_database_module,
            rules.network_clients_without_the_guard,
            rules.payments_that_know_the_demo,
        ],
        ids=lambda rule: rule.__name__,
    )
    def test_the_code_keeps_them(self, rule: SourceRule) -> None:
        broken = [
            violation
            for path in rules.python_files()
            for violation in rule(str(path.relative_to(rules.ROOT)), path.read_text(encoding="utf-8"))
        ]
        assert broken == []

    @pytest.mark.parametrize(("rule", "source"), PLANTED)
    def test_a_planted_violation_is_caught(self, rule: SourceRule, source: str) -> None:
        assert rule("src/sublet/billing/planted.py", source)

    @pytest.mark.parametrize("source", PLANTED_IN_PAYMENTS)
    def test_payments_that_tell_the_sandbox_from_the_processor_are_caught(self, source: str) -> None:
        assert rules.payments_that_know_the_demo("src/sublet/payments/planted.py", source)
        assert rules.payments_that_know_the_demo("src/sublet/entry/planted.py", source) == []

    @pytest.mark.parametrize(
        "source",
        [
            'session.execute(insert(node).values(state="enrolling"))',
            'session.execute(node.insert().values({"state": "enrolling"}))',
            'adding = insert(node)\nadding = adding.returning(node.c.id)\nsession.execute(adding.values(state="new"))',
            'session.execute(update(node).where(node.c.state == "ready").values(name="x"))',
        ],
    )
    def test_a_new_row_may_be_given_its_first_state(self, source: str) -> None:
        assert rules.states_assigned_outside_their_table("src/sublet/fleet/planted.py", source) == []

    def test_states_files_may_assign_states(self) -> None:
        source = 'text("UPDATE node SET state = :s WHERE id = :id")'
        assert rules.states_assigned_outside_their_table("src/sublet/fleet/states.py", source) == []


class TestFiles:
    def test_names_say_something(self) -> None:
        assert rules.names_that_say_nothing([*rules.python_files(), *rules.python_files(rules.ROOT / "tests")]) == []

    def test_a_name_that_says_nothing_is_caught(self) -> None:
        assert rules.names_that_say_nothing([Path("src/sublet/billing/utils.py")])

    def test_no_source_file_is_too_long(self) -> None:
        paths = [*rules.python_files(), *rules.python_files(rules.ROOT / "node")]
        assert rules.files_too_long(paths, rules.LONGEST_FILE) == []

    def test_no_console_file_is_too_long(self) -> None:
        sources = rules.ROOT / "console" / "src"
        paths = [
            path
            for path in [*sources.rglob("*.ts"), *sources.rglob("*.tsx")]
            if path.name != "schema.d.ts"  # generated
        ]
        assert paths
        assert rules.files_too_long(paths, rules.LONGEST_CONSOLE_FILE) == []

    def test_a_long_file_is_caught(self, tmp_path: Path) -> None:
        (tmp_path / "long.py").write_text("x = 1\n" * 401)
        assert rules.files_too_long([tmp_path / "long.py"], rules.LONGEST_FILE)


class TestNetworkAndSessions:
    @pytest.mark.anyio
    async def test_no_network_while_a_session_is_open(self, database: Database) -> None:
        forbid_open_session("node")
        async with database.transaction():
            with pytest.raises(OpenSessionError):
                forbid_open_session("node")
        async with database.reading():
            with pytest.raises(OpenSessionError):
                forbid_open_session("node")
        forbid_open_session("node")


class TestImports:
    """The contracts themselves are in pyproject.toml; each catches what it is for."""

    def _lint(self, root: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).parent / "lint-imports"), "--config", "pyproject.toml", "--no-cache"],
            cwd=root,
            env={"PYTHONPATH": str(root / "src"), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )

    @pytest.fixture
    def copy(self, tmp_path: Path) -> Path:
        shutil.copytree(rules.SOURCE, tmp_path / "src" / "sublet", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(rules.ROOT / "pyproject.toml", tmp_path)
        return tmp_path

    def test_the_tables_of_every_domain_are_under_one(self) -> None:
        settings = tomllib.loads((rules.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        protected = {
            module
            for contract in settings["tool"]["importlinter"]["contracts"]
            for module in contract.get("protected_modules", ())
        }
        tables = {f"sublet.{path.parent.name}.models" for path in rules.SOURCE.glob("*/models.py")}
        assert tables
        assert tables - protected == set()

    def test_the_code_keeps_every_contract(self, copy: Path) -> None:
        outcome = self._lint(copy)
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr

    @pytest.mark.parametrize(
        ("file", "statement", "contract"),
        [
            ("ledger/planted.py", "from sublet.billing import charges", "Floors call downwards only"),
            ("identity/planted.py", "from sublet.catalog import skus", "Floors call downwards only"),
            ("allocations/planted.py", "from sublet.fleet.models import node", "The tables of fleet are private"),
            ("payments/planted.py", "from sublet.ledger.models import entry", "The tables of ledger are private"),
            ("admin/planted.py", "import sublet.entry.web", "Nobody imports entry"),
            ("cli/planted.py", "import sqlalchemy", "stay light"),
            ("stray/__init__.py", "", "Floors call downwards only"),
        ],
    )
    def test_a_planted_violation_is_caught(self, copy: Path, file: str, statement: str, contract: str) -> None:
        planted = copy / "src" / "sublet" / file
        planted.parent.mkdir(exist_ok=True)
        planted.write_text(f"{statement}\n")
        outcome = self._lint(copy)
        assert outcome.returncode != 0
        broken = [line for line in outcome.stdout.splitlines() if "BROKEN" in line]
        assert any(contract in line for line in broken) or "stray" in outcome.stdout + outcome.stderr, outcome.stdout
