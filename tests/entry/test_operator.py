"""`sublet operator`: how an installation gets its first operator."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from sublet.core.db import Database
from sublet.entry import operator
from tests.support.app import PASSWORD, Web

pytestmark = pytest.mark.anyio


def make(app_url: str, *arguments: str, currency: str = "USD") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sublet.entry.operator", *arguments],
        env={**os.environ, "DATABASE_URL": app_url, "SUBLET_CURRENCY": currency, "SUBLET_TIME_ZONE": "UTC"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class TestOperator:
    async def test_may_sign_in_and_see_nodes(self, web: Web, app_url: str, tmp_path: Path) -> None:
        password = tmp_path / "password"
        password.write_text(PASSWORD + "\n")
        made = make(app_url, "first@operator.example", "--role", "fleet", "--password-file", str(password))
        assert made.returncode == 0, made.stderr
        client = web.client()
        signed_in = await client.post(
            "/api/v1/auth/login", json={"email": "first@operator.example", "password": PASSWORD}
        )
        assert signed_in.json()["platform_roles"] == ["fleet"]
        assert (await client.get("/api/v1/admin/nodes")).status_code == 200
        again = make(app_url, "first@operator.example", "--password-file", str(password))
        assert again.returncode == 1
        assert "Traceback" not in again.stderr

    async def test_gets_no_wallet_in_another_currency_than_the_installations(
        self, web: Web, app_url: str, tmp_path: Path
    ) -> None:
        await web.customer()
        password = tmp_path / "password"
        password.write_text(PASSWORD)
        made = make(app_url, "first@operator.example", "--password-file", str(password), currency="EUR")
        assert (made.returncode, made.stderr.count("\n")) == (1, 1)
        assert "SUBLET_CURRENCY is EUR, and wallets of this installation are kept in USD" in made.stderr

    def test_is_not_made_over_connections_that_have_other_settings(
        self, app_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        password = tmp_path / "password"
        password.write_text(PASSWORD)
        monkeypatch.setenv("DATABASE_URL", app_url)
        monkeypatch.setenv("SUBLET_CURRENCY", "USD")
        monkeypatch.setenv("SUBLET_TIME_ZONE", "UTC")
        monkeypatch.setattr(Database, "options", lambda _self: "")  # a pooler drops them
        assert operator.main(["first@operator.example", "--password-file", str(password)]) == 1
        assert "role is none and not sublet_app" in capsys.readouterr().err
        with psycopg.connect(app_url) as connection:
            assert connection.execute("SELECT count(*) FROM user_account").fetchone() == (0,)

    async def test_without_a_database_says_so_in_one_line(self, tmp_path: Path) -> None:
        password = tmp_path / "password"
        password.write_text(PASSWORD)
        away = "postgresql://u:canary@127.0.0.1:1/name"
        made = make(away, "first@operator.example", "--password-file", str(password))
        assert made.returncode == 1
        assert made.stderr.startswith("The database could not be used: ")
        assert made.stderr.count("\n") == 1
        assert "canary" not in made.stderr

    async def test_without_a_terminal_says_how_to_give_the_password(self, app_url: str) -> None:
        made = make(app_url, "first@operator.example")
        assert made.returncode == 1
        assert "--password-file" in made.stderr
