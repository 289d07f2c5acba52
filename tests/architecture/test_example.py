"""The example in the docs of a new small domain: it applies, keeps the rules, works, and is as small as is promised."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.architecture.source import ROOT

DIFF = ROOT / "docs" / "example-domain.diff"
MOST_FILES = 12
MOST_LINES = 160


@pytest.fixture
def applied(tmp_path: Path) -> Path:
    """The sources with the example in them."""
    for part in ("src", "tests"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    done = subprocess.run(
        ["git", "apply", str(DIFF)],
        cwd=tmp_path,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"docs/example-domain.diff does not apply any more; make it anew: {done.stderr}"
    assert (tmp_path / "src" / "sublet" / "bells").is_dir()
    return tmp_path


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The name of a database in which nothing is."""
    name = f"t_{uuid4().hex[:16]}"
    postgres.sql(f"CREATE DATABASE {name}")
    try:
        yield name
    finally:
        postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")


def test_is_as_small_as_is_promised() -> None:
    text = DIFF.read_text(encoding="utf-8")
    assert len(re.findall(r"^diff --git ", text, re.MULTILINE)) <= MOST_FILES
    assert len(re.findall(r"^\+(?!\+\+ )", text, re.MULTILINE)) <= MOST_LINES


def test_keeps_the_rules(applied: Path) -> None:
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PYTHONPATH": str(applied / "src")}
    for command in (
        [str(programs / "ruff"), "check", "--no-cache", "src/sublet/bells", "src/sublet/entry"],
        [str(programs / "ruff"), "format", "--no-cache", "--check", "src/sublet/bells", "src/sublet/entry"],
        [str(programs / "lint-imports"), "--no-cache"],
    ):
        done = subprocess.run(command, cwd=applied, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


def test_works(applied: Path, tmp_path: Path, postgres: EmbeddedPostgres, empty_database: str) -> None:
    urls = [postgres.url(role, empty_database) for role in ("sublet_owner", "sublet_app")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.architecture.example", *urls, str(tmp_path / "data")],
        cwd=applied,
        env={**os.environ, "PYTHONPATH": f"{applied / 'src'}{os.pathsep}{applied}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
