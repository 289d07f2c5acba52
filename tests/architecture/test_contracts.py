"""The import contracts of pyproject.toml hold, and each catches what it is for."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.source import CODE, ROOT, SANDBOX

PLANTED = {
    "src/sublet/ledger/planted.py": ("from sublet.billing import charges", "Floors call downwards only"),
    "src/sublet/identity/planted.py": ("from sublet.catalog import skus", "Floors call downwards only"),
    "src/sublet/allocations/planted.py": ("from sublet.fleet.models import node", "The tables of fleet are private"),
    "src/sublet/payments/planted.py": ("from sublet.ledger.models import entry", "The tables of ledger are private"),
    "src/sublet/admin/planted.py": ("import sublet.entry.web", "Nobody imports entry or supervisor"),
    "src/sublet/entry/planted.py": ("import sublet.supervisor.up", "Nobody imports entry or supervisor"),
    "src/sublet/billing/planted.py": ("import sublet_sandbox.stripe", "Only the supervisor imports the sandbox"),
    "sandbox/sublet_sandbox/planted.py": ("import sublet.core.money", "The sandbox imports nothing of Sublet"),
    "src/sublet/cli/planted.py": ("import sqlalchemy", "The client and the command line stay light"),
}


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Hold the contracts against a copy."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--config", "pyproject.toml", "--no-cache"],
        cwd=root,
        env={"PYTHONPATH": f"{root / 'src'}:{root / 'sandbox'}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The code and its contracts, for planting."""
    for package in (CODE, SANDBOX):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(package, tmp_path / package.relative_to(ROOT), ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


class TestTheContracts:
    def test_keep_the_tables_of_every_domain(self) -> None:
        settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        protected = {
            module
            for contract in settings["tool"]["importlinter"]["contracts"]
            for module in contract.get("protected_modules", ())
        }
        tables = {f"sublet.{path.parent.name}.models" for path in CODE.glob("*/models.py")}
        assert tables
        assert tables - protected == set()

    def test_hold(self, copy: Path) -> None:
        outcome = lint(copy)
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr

    def test_catch_what_each_is_for(self, copy: Path) -> None:
        for file, (statement, _) in PLANTED.items():
            (copy / file).write_text(f"{statement}\n")
        outcome = lint(copy)
        broken = {line.removesuffix(" BROKEN") for line in outcome.stdout.splitlines() if line.endswith(" BROKEN")}
        for file, (_, contract) in PLANTED.items():
            assert any(line.startswith(contract) for line in broken), outcome.stdout
            module = file.removesuffix(".py").partition("/")[2].replace("/", ".")
            assert f"{module} " in outcome.stdout, outcome.stdout

    def test_catch_a_domain_without_a_floor(self, copy: Path) -> None:
        (copy / "src" / "sublet" / "stray").mkdir()
        (copy / "src" / "sublet" / "stray" / "__init__.py").touch()
        outcome = lint(copy)
        assert outcome.returncode != 0
        assert "stray" in outcome.stdout + outcome.stderr
