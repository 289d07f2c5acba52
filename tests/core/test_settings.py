"""Settings: one place, every one documented, secrets only by reference."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from sublet.core.settings import SecretUnavailable, Settings, SettingsInvalid, read_settings

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "settings.md"


class TestSettings:
    def test_a_plain_secret_is_refused_with_the_way_to_fix_it(self) -> None:
        with pytest.raises(ValidationError, match="give file:/path/to/it"):
            Settings(stripe_api_key="sk_test_plain")

    def test_a_refused_secret_is_not_repeated(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(ValidationError) as refused:
            Settings(stripe_api_key="sk_test_plain")
        assert "sk_test_plain" not in str(refused.value)
        monkeypatch.setenv("SUBLET_STRIPE_API_KEY", "sk_test_plain")
        monkeypatch.setenv("SUBLET_PORT", "http")
        with pytest.raises(SettingsInvalid) as explained:
            read_settings()
        assert "SUBLET_STRIPE_API_KEY: " in explained.value.detail
        assert "SUBLET_PORT: " in explained.value.detail
        assert "sk_test_plain" not in explained.value.detail

    @pytest.mark.parametrize("half", [{"terms_url": "https://sublet.example/terms"}, {"terms_version": "2026-11"}])
    def test_terms_are_given_whole(self, half: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in half.items():
            monkeypatch.setenv(f"SUBLET_{name.upper()}", value)
        with pytest.raises(SettingsInvalid, match="terms_url and terms_version are given together"):
            read_settings()

    @pytest.mark.parametrize("given", ["10.0.0.1, 10.0.0.2", '["10.0.0.1", "10.0.0.2"]'])
    def test_a_list_is_separated_by_commas(self, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SUBLET_TRUSTED_PROXIES", given)
        assert read_settings().trusted_proxies == ["10.0.0.1", "10.0.0.2"]

    def test_a_level_that_is_none_is_refused_with_those_that_are(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SUBLET_LOG_LEVEL", "loud")
        with pytest.raises(SettingsInvalid, match=r"SUBLET_LOG_LEVEL: .*WARNING"):
            read_settings()

    def test_a_secret_is_read_when_used_and_never_printed(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("sk_test_hidden\n")
        settings = Settings(stripe_api_key=f"file:{tmp_path / 'key'}")
        assert settings.stripe_api_key is not None
        assert settings.stripe_api_key.read() == "sk_test_hidden"
        assert "hidden" not in repr(settings)

    def test_a_missing_secret_says_what_to_do(self, tmp_path: Path) -> None:
        settings = Settings(stripe_api_key=f"file:{tmp_path / 'absent'}")
        assert settings.stripe_api_key is not None
        with pytest.raises(SecretUnavailable, match="Create the file"):
            settings.stripe_api_key.read()

    def test_systemd_credentials_are_found(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "stripe").write_text("sk_test_credential")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        settings = Settings(stripe_api_key="credential:stripe")
        assert settings.stripe_api_key is not None
        assert settings.stripe_api_key.read() == "sk_test_credential"

    def test_the_document_lists_each_with_its_meaning(self) -> None:
        text = DOCUMENT.read_text(encoding="utf-8")
        for name, setting in Settings.model_fields.items():
            assert setting.description, f"{name} has no description"
            assert setting.description in text, f"docs/settings.md does not explain {name}: run `make settings`"
