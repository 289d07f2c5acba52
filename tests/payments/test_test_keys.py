"""Test keys: refused where strangers reach the address, unless that is said to be meant."""

from pathlib import Path

import pytest

from sublet.core.runtime import NotConfigured
from sublet.core.settings import SecretRef, Settings
from sublet.payments.stripe.processor import Processor
from sublet.payments.stripe.test_keys import is_public

PUBLIC = "https://gpu.example.org"


def settings(directory: Path, key: str, public_url: str, **more: bool) -> Settings:
    """What an operator set."""
    (directory / "key").write_text(key)
    reference = SecretRef(f"file:{directory / 'key'}")
    return Settings(data_directory=directory, stripe_api_key=reference, public_url=public_url, **more)


@pytest.mark.parametrize("key", ["sk_test_0123456789", "rk_test_0123456789"])
def test_a_test_key_behind_a_public_address_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(NotConfigured, match="nobody would be charged") as refused:
        Processor.from_settings(settings(tmp_path, key, PUBLIC))
    assert key not in refused.value.detail


@pytest.mark.parametrize(
    ("key", "url", "allowed"),
    [
        ("sk_live_0123456789", PUBLIC, False),
        ("sk_test_0123456789", PUBLIC, True),
        ("sk_test_0123456789", "http://127.0.0.1:8000", False),
    ],
    ids=["live key", "said to be meant", "loopback"],
)
def test_each_of_these_alone_is_accepted(tmp_path: Path, key: str, url: str, allowed: bool) -> None:
    processor = Processor.from_settings(settings(tmp_path, key, url, test_payments=allowed))
    assert processor.why_not_pay() is None


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://gpu.example.org", True),
        ("https://8.8.8.8", True),
        ("https://[2001:4860:4860::8888]:8443", True),
        ("http://10.1.2.3:8000", False),
        ("http://192.168.1.7", False),
        ("http://[::1]:8000", False),
        ("http://localhost:8000", False),
        ("http://gpu.localhost", False),
        ("http://sublet.test", False),
        ("http://gpu-server:8000", False),
        ("http://gpu-server.local.", False),
    ],
)
def test_an_address_is_public_where_strangers_reach_it(url: str, public: bool) -> None:
    assert is_public(url) is public
