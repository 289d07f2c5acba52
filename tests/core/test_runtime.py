"""A process that cannot work says why in words, and repeats no password."""

import resource

import pytest

from sublet.core.runtime import NotConfigured, allow_many_connections, currency_of, database_of
from sublet.core.settings import Settings, SettingsInvalid, read_settings
from sublet.entry import migrate


class TestTheCurrency:
    def test_is_never_assumed(self) -> None:
        with pytest.raises(NotConfigured, match="SUBLET_CURRENCY is not set"):
            currency_of(Settings())
        assert currency_of(Settings(currency="JPY")) == "JPY"

    def test_is_one_that_is_in_use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SUBLET_CURRENCY", "DEM")
        with pytest.raises(SettingsInvalid, match=r"SUBLET_CURRENCY: .*'DEM' is not the code"):
            read_settings()


class TestTheDatabasesAddress:
    @pytest.mark.parametrize("url", ["canary", "mysql://u:canary@host/name", "postgresql://u:canary@host:port/name"])
    def test_that_is_none_is_refused_and_not_repeated(self, url: str) -> None:
        with pytest.raises(NotConfigured, match="DATABASE_URL is not the address") as refused:
            database_of(Settings(database_url=url))
        assert "canary" not in refused.value.detail

    def test_where_nobody_answers_is_told_in_one_line(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.delenv("DATABASE_OWNER_URL", raising=False)
        monkeypatch.setenv("DATABASE_URL", "postgresql://u:canary@127.0.0.1:1/name")
        assert migrate.main() == 1
        said = capsys.readouterr().err
        assert said.startswith("The database could not be used: ")
        assert said.count("\n") == 1
        assert "canary" not in said


class TestTheLimitOnConnections:
    def test_is_what_the_machine_allows_and_not_what_a_shell_begins_with(self) -> None:
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        try:
            allow_many_connections()
            assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
