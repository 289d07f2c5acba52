"""What the Python client promises, against a real HTTP server."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sublet.client
from sublet.client import Client, SubletApiError, SubletConnectionError, SubletProtocolError, WaitTimedOut
from sublet.client.retries import Retries
from sublet.client.wait import wait_until_settled
from tests.client.fake_api import DROP, DROP_AFTER, FakeApi
from tests.client.fake_findings import ask_approval, misunderstand, open_finding
from tests.client.fake_shapes import usd
from tests.client.fake_world import CUSTOMER_TOKEN


def offer_id(client: Client) -> str:
    """The first offer."""
    return next(client.offers())["id"]


class TestLists:
    def test_walk_every_page_once_and_in_order(self, api: FakeApi, client: Client) -> None:
        for number in range(5):
            api.world.add_sku(f"sku-{number}", "1.00")
        codes = [sku["code"] for sku in client.skus()]
        assert codes == ["cpu-small", "gpu-a100", "sku-0", "sku-1", "sku-2", "sku-3", "sku-4"]
        assert len(api.calls("GET", "/skus")) == 4

    def test_fetch_no_page_that_nobody_reads(self, api: FakeApi, client: Client) -> None:
        for number in range(5):
            api.world.add_sku(f"sku-{number}", "1.00")
        next(client.skus())
        assert len(api.calls("GET", "/skus")) == 1

    def test_ask_for_a_list_that_comes_whole_without_a_limit(self, api: FakeApi, client: Client) -> None:
        assert [offer["sku"]["code"] for offer in client.offers()] == ["cpu-small", "gpu-a100"]
        assert [call.query for call in api.calls("GET", "/offers")] == [{}]

    def test_filter_allocations(self, api: FakeApi, client: Client) -> None:
        sku = next(iter(api.world.skus.values()))
        api.world.allocation("running", sku)
        api.world.allocation("gone", sku, state="released")
        assert [one["name"] for one in client.allocations()] == ["running"]
        assert [one["name"] for one in client.allocations(include_ended=True)] == ["gone", "running"]
        assert [one["name"] for one in client.allocations(include_ended=True, state="released")] == ["gone"]


class TestErrors:
    def test_carry_code_status_detail_and_request_id(self, client: Client) -> None:
        with pytest.raises(SubletApiError) as raised:
            client.allocation("nobody")
        error = raised.value
        assert (error.code, error.status, error.request_id) == ("not_found", 404, "req_0000000000000007")
        assert "There is no allocation 'nobody'" in error.detail
        assert str(error).endswith("(req_0000000000000007)")

    def test_name_the_fields_of_bad_input(self, client: Client) -> None:
        offer = offer_id(client)
        client.launch(offer, name="twice")
        with pytest.raises(SubletApiError) as raised:
            client.launch(offer, name="twice")
        assert raised.value.errors == [{"field": "name", "message": "An allocation has this name already."}]

    def test_of_something_that_is_not_sublet_say_so(self, api: FakeApi, client: Client) -> None:
        api.faults = [b"<html>hello</html>"]
        with pytest.raises(SubletProtocolError, match="does not answer like Sublet"):
            client.me()

    @pytest.mark.parametrize(
        "url", ["ftp://example.org", "not a url", "http://user:pass@example.org", "", "http://[::1"]
    )
    def test_refuse_what_is_no_url(self, url: str) -> None:
        with pytest.raises(SubletProtocolError):
            Client(url, CUSTOMER_TOKEN)

    def test_never_show_the_token(self, api: FakeApi) -> None:
        with Client(api.url, "sublet_secret") as client, pytest.raises(SubletApiError) as raised:
            client.me()
        assert "sublet_secret" not in f"{raised.value!r} {raised.value} {raised.value.problem}"


class TestRetries:
    def test_repeat_a_read_until_the_server_is_there(self, api: FakeApi, client: Client, pauses: list[float]) -> None:
        api.faults = [503, DROP, 502]
        assert client.me()["user"]["name"] == "Ada"
        assert len(pauses) == 3
        assert all(0 <= pause <= 2 for pause in pauses)

    def test_give_up_after_the_attempts(self, api: FakeApi, client: Client) -> None:
        api.faults = [503] * 10
        with pytest.raises(SubletApiError) as raised:
            client.me()
        assert raised.value.status == 503
        assert len(api.calls("GET", "/me")) == Retries().attempts

    def test_wait_as_long_as_the_server_asks(self, api: FakeApi, client: Client, pauses: list[float]) -> None:
        api.faults = [(429, {"Retry-After": "7"})]
        client.me()
        assert pauses == [7.0]

    def test_do_not_wait_longer_than_is_reasonable(self, api: FakeApi, client: Client, pauses: list[float]) -> None:
        api.faults = [(429, {"Retry-After": "3600"})]
        with pytest.raises(SubletApiError):
            client.me()
        assert pauses == []

    def test_launch_once_although_the_first_answer_was_lost(self, api: FakeApi, client: Client) -> None:
        offer = offer_id(client)
        api.faults = [DROP_AFTER]
        launched = client.launch(offer)
        assert [one["id"] for one in client.allocations()] == [launched["id"]]
        keys = {call.headers["Idempotency-Key"] for call in api.calls("POST", "/allocations")}
        assert len(api.calls("POST", "/allocations")) == 2
        assert len(keys) == 1

    def test_use_a_new_key_for_a_new_intent(self, api: FakeApi, client: Client) -> None:
        offer = offer_id(client)
        client.launch(offer, name="one")
        client.launch(offer, name="two")
        assert len({call.headers["Idempotency-Key"] for call in api.calls("POST", "/allocations")}) == 2

    def test_replay_with_the_callers_own_key(self, api: FakeApi, client: Client) -> None:
        offer = offer_id(client)
        first = client.launch(offer, idempotency_key="mine")
        assert client.launch(offer, idempotency_key="mine")["id"] == first["id"]
        assert len(api.world.allocations) == 1

    def test_never_repeat_a_release_that_may_have_arrived(self, api: FakeApi, client: Client) -> None:
        launched = client.launch(offer_id(client))
        api.faults = [DROP]
        with pytest.raises(SubletConnectionError) as raised:
            client.release(launched["id"])
        assert raised.value.maybe_received
        assert len(api.calls("POST", f"/allocations/{launched['id']}/release")) == 1

    def test_say_that_nothing_arrived_when_nobody_listens(self, api: FakeApi, pauses: list[float]) -> None:
        nobody = Client("http://127.0.0.1:9", CUSTOMER_TOKEN, sleep=pauses.append)
        with nobody as client, pytest.raises(SubletConnectionError) as raised:
            client.release("al_1")
        assert not raised.value.maybe_received
        assert len(pauses) == Retries().attempts - 1


class TestWaiting:
    def test_ends_when_the_allocation_is_active(self, client: Client) -> None:
        states: list[str] = []
        launched = client.launch(offer_id(client))
        active = wait_until_settled(
            client, launched, kind="provision", timeout_seconds=60, seen=lambda one: states.append(one["state"])
        )
        assert active["state"] == "active"
        assert states == ["queued", "provisioning", "provisioning", "provisioning", "active"]

    def test_ends_when_it_fails(self, api: FakeApi, client: Client) -> None:
        api.world.fails = True
        failed = wait_until_settled(client, client.launch(offer_id(client)), kind="provision", timeout_seconds=60)
        assert failed["state"] == "failed"

    def test_of_a_suspension_does_not_end_while_it_is_still_active(self, api: FakeApi, client: Client) -> None:
        allocation = api.world.allocation("web", next(iter(api.world.skus.values())))
        asked = client.suspend(allocation["id"])
        assert asked["state"] == "active"
        assert wait_until_settled(client, asked, kind="suspend", timeout_seconds=60)["state"] == "suspended"

    def test_gives_up_in_time_and_cancels_nothing(self, api: FakeApi, client: Client) -> None:
        api.world.stuck = True
        launched = client.launch(offer_id(client))
        with pytest.raises(WaitTimedOut, match="is still queued after 0 s"):
            wait_until_settled(client, launched, kind="provision", timeout_seconds=0)
        assert all(call.method != "DELETE" and "release" not in call.path for call in api.seen)

    def test_outlives_a_short_outage(self, api: FakeApi, client: Client) -> None:
        launched = client.launch(offer_id(client))
        api.faults = [503] * 9
        assert wait_until_settled(client, launched, kind="provision", timeout_seconds=60)["state"] == "active"


class TestMoney:
    def test_stays_a_decimal_string(self, api: FakeApi, client: Client) -> None:
        client.top_up("20.10", currency="USD")
        assert api.calls("POST", "/top-ups")[0].body == {"amount": "20.10", "currency": "USD"}
        assert client.wallet()["balance"] == {"amount": "20.00", "currency": "USD"}


class TestEvents:
    def test_continue_after_a_cursor(self, api: FakeApi, client: Client) -> None:
        for _ in range(3):
            api.world.tell("wallet.changed", "org_1", balance=usd("2"), held=usd("1"), available=usd("1"))
        begin = client.events()
        assert (begin["items"], begin["next_cursor"]) == ([], "7-2"), "without a cursor, where new ones begin"
        first = client.events(after="0-0")
        assert [event["id"] for event in first["items"]] == ["7-0", "7-1"]
        assert [event["id"] for event in client.events(after=first["next_cursor"])["items"]] == ["7-2"]


class TestAdmin:
    def test_adds_a_node_and_says_how_it_joins(self, operator: Client) -> None:
        added = operator.admin.add_node("node-b", "10.0.0.2", port=2222, labels={"zone": "b"})
        assert added["node"]["labels"] == {"zone": "b"}
        assert added["join"]["token"] == "sublet_join_first"
        checklist = {item["name"]: item["state"] for item in operator.admin.node(added["node"]["id"])["enrolment"]}
        assert (checklist["added"], checklist["joined"]) == ("done", "waiting")
        assert operator.admin.join_token(added["node"]["id"])["token"] == "sublet_join_second"

    def test_defines_and_prices_a_sku(self, operator: Client) -> None:
        sku = operator.admin.add_sku("tiny", name="Tiny", vcpu=1, memory_mib=512, disk_gib=5)
        price = operator.admin.set_price(
            sku["id"],
            "0.0500",
            suspended_claim="hours",
            suspended_claim_hours=4,
            suspended_per_hour="0.01",
            disk_per_hour="0.001",
            currency="USD",
            effective_at="2026-03-01T00:00:00+00:00",
        )
        assert price["effective_at"] == "2026-03-01T00:00:00+00:00"
        assert (price["suspended_claim"], price["suspended_claim_hours"]) == ("hours", 4)
        assert "tiny" in [offer["sku"]["code"] for offer in operator.offers()]
        assert [one["id"] for one in operator.admin.prices(sku_id=sku["id"])] == [price["id"]]
        operator.admin.change_sku(sku["id"], active=False)
        assert "tiny" not in [offer["sku"]["code"] for offer in operator.offers()]

    def test_lists_findings_of_any_state_and_resolves_them(self, api: FakeApi, operator: Client) -> None:
        one, other = (open_finding(api.world, "payments.taken_back", "top_up", f"tu_{number}") for number in (1, 2))
        assert operator.admin.resolve_finding(one["id"], "settled")["until"] is not None
        assert [found["id"] for found in operator.admin.findings()] == [other["id"], one["id"]]
        assert [found["id"] for found in operator.admin.findings(state="closed", subject_id="tu_1")] == [one["id"]]

    def test_has_an_event_of_the_processor_processed_again(self, api: FakeApi, operator: Client) -> None:
        misunderstand(api.world, "evt_1", "payout.unheard_of")
        assert operator.admin.process_payment_event("evt_1") == {"received": True}

    def test_shows_and_refuses_approvals(self, api: FakeApi, operator: Client) -> None:
        asked = ask_approval(api.world, "allocation.force_release", "al_1")
        assert [one["id"] for one in operator.admin.approvals(state="requested")] == [asked["id"]]
        assert operator.admin.approval(asked["id"])["requested_by"]["name"] == "Bob"
        assert operator.admin.reject_approval(asked["id"], "no")["state"] == "rejected"

    @pytest.mark.parametrize("command", ["resolve_finding", "reject_approval"])
    def test_does_not_repeat_what_may_have_arrived(self, api: FakeApi, operator: Client, command: str) -> None:
        api.faults = [DROP]
        with pytest.raises(SubletConnectionError) as raised:
            getattr(operator.admin, command)("id_1", "because")
        assert raised.value.maybe_received
        assert len(api.seen) == 1

    def test_is_refused_to_customers(self, client: Client) -> None:
        with pytest.raises(SubletApiError) as raised:
            list(client.admin.nodes())
        assert raised.value.code == "permission_denied"


class TestLightness:
    def test_imports_nothing_of_sublet_but_itself_and_only_httpx_from_outside(self) -> None:
        root = Path(sublet.client.__file__).parent
        foreign = set()
        for path in root.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                foreign |= {name for name in names if not name.startswith("sublet.client")}
        assert {name.split(".")[0] for name in foreign} - set(sys.stdlib_module_names) == {"httpx"}

    def test_asks_for_httpx_only_when_a_client_is_made(self) -> None:
        program = (
            "import sys, sublet.client, sublet.client.errors, sublet.client.wait, sublet.client.shapes\n"
            "assert 'httpx' not in sys.modules\n"
            "sublet.client.Client\n"
            "assert 'httpx' in sys.modules\n"
        )
        subprocess.run([sys.executable, "-c", program], check=True)
