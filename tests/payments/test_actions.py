"""A top-up is offered where it is accepted, and nowhere else."""

from pathlib import Path

import pytest

from sublet.core.actors import Actor, Permission
from sublet.core.db import Database
from sublet.core.settings import SecretRef
from tests.allocations.rental import customer
from tests.sandbox.stripe.process import API_KEY, StripeSandbox
from tests.support.asking import Asking

pytestmark = pytest.mark.anyio

READS = frozenset({Permission.WALLET_READ})
PAYS = READS | {Permission.WALLET_TOP_UP}


class TestATopUp:
    @pytest.mark.parametrize("held", [READS, PAYS], ids=["who reads", "who pays"])
    @pytest.mark.parametrize("is_set_up", [True, False], ids=["a processor", "no processor"])
    async def test_is_accepted_as_offered(
        self, database: Database, sandbox: StripeSandbox, tmp_path: Path, held: frozenset[Permission], is_set_up: bool
    ) -> None:
        (tmp_path / "key").write_text(API_KEY)
        settings = {"stripe_api_base": sandbox.url, "stripe_api_key": SecretRef(f"file:{tmp_path / 'key'}")}
        asking, whose = Asking(database, tmp_path, **(settings if is_set_up else {})), await customer(database)
        asking.actor = Actor("user", whose.user_id, whose.organization, permissions=held)
        actions = (await asking.get("/wallet"))["actions"]
        await asking.agrees(actions, "top_up", "POST", "/top-ups", amount="20.00", currency="USD")
        assert [action["allowed"] for action in actions] == [is_set_up and held == PAYS]
        await asking.close()
