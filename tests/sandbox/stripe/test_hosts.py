"""Pages of the sandbox ask for no password: they answer to this machine's names, and to none that only leads here."""

import httpx
import pytest
import stripe

from tests.sandbox.stripe.orders import open_session
from tests.sandbox.stripe.process import API_KEY, StripeSandbox


def status(sandbox: StripeSandbox, path: str, host: str) -> int:
    """What a browser gets that thinks it speaks to that host."""
    headers = {"Host": host, "Authorization": f"Bearer {API_KEY}"}
    return httpx.get(f"{sandbox.url}{path}", headers=headers, timeout=10, trust_env=False).status_code


class TestAForeignHost:
    @pytest.fixture
    def paths(self, sandbox: StripeSandbox, client: stripe.StripeClient) -> list[str]:
        """The mailbox, a payment page, what tests use, the API."""
        payment = open_session(client).url
        assert payment is not None
        return ["/mail", payment.removeprefix(sandbox.url), "/_sandbox/deliveries", "/v1/customers", "/livez"]

    @pytest.mark.parametrize(
        "host", ["mail.attacker.example", "127.0.0.1.attacker.example", "localhost.attacker.example"]
    )
    def test_is_answered_nothing(self, sandbox: StripeSandbox, paths: list[str], host: str) -> None:
        for path in paths:
            assert status(sandbox, path, f"{host}:{sandbox.port}") == 400, path

    def test_is_not_what_this_machine_is_called_at_whatever_port(
        self, sandbox: StripeSandbox, paths: list[str]
    ) -> None:
        for path in paths:
            for host in (f"127.0.0.1:{sandbox.port}", "localhost", "localhost:9999"):
                assert status(sandbox, path, host) == 200, (path, host)
