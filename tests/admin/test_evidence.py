"""What speaks for a disputed payment, where a machine really ran: charges with their proof, sign-ins, terms."""

from typing import Any, cast

import pytest

from sublet.client.evidence_text import LONGEST_FIELD, fields_of, text_of
from sublet.client.shapes.evidence import Evidence
from tests.invariants.people import Business
from tests.support.app import Web

pytestmark = pytest.mark.anyio

PATH = "/api/v1/admin/disputes/dsp_ran/evidence"
PAID_AND_DISPUTED = (
    "INSERT INTO top_up (id, organization_id, requested_by, amount, currency, return_path, success_url, cancel_url) "
    "SELECT 'tu_ran', organization_id, user_id, 1000000000, 'USD', '/billing', '/', '/' FROM membership "
    "WHERE organization_id = :organization_id",
    "UPDATE top_up SET state = 'succeeded', payment_intent_id = 'pi_ran', completed_at = now(), charge_id = "
    "(SELECT l.charge_id FROM ledger.topup_lot l JOIN ledger.wallet w ON w.id = l.wallet_id "
    "WHERE w.owner_id = :organization_id) WHERE id = 'tu_ran'",
    "INSERT INTO refund (id, organization_id, top_up_id, origin, requested_by, requested_by_name, amount, currency, "
    "reason, entry_id, owed) VALUES ('rf_ran', :organization_id, 'tu_ran', 'operator', 'usr_1', 'Ada', 1000000, 'USD', "
    "'asked for', 2, 0)",
    "INSERT INTO dispute (id, processor_id, organization_id, top_up_id, amount, currency, reason, disputed_at) "
    "VALUES ('dsp_ran', 'du_ran', :organization_id, 'tu_ran', 1000000000, 'USD', 'fraudulent', now())",
)


@pytest.fixture
async def evidence(web: Web) -> dict[str, Any]:
    """What speaks for a payment out of which a machine was paid that ran for a hundred seconds."""
    business = await Business.open(web)
    rental, allocation_id = business.rental, business.ids["id_or_name"]
    for statement in PAID_AND_DISPUTED:
        await rental.run(statement, organization_id=business.ids["organization_id"])
    await rental.run(
        "INSERT INTO terms_acceptance (user_id, url, version, occasion, address) "
        "VALUES (:id, 'https://sublet.example/terms', '1', 'sign_up', '203.0.113.7')",
        id=business.me["user"]["id"],
    )
    await rental.ran_for(allocation_id, 100)
    await rental.release(allocation_id)
    await rental.work_until(allocation_id, "released")
    found = await (await web.operator("finance")).get(PATH)
    assert found.status_code == 200, found.text
    return dict(found.json())


class TestEvidence:
    async def test_has_each_charge_with_the_observations_that_it_rests_on(self, evidence: dict[str, Any]) -> None:
        [charge] = [one for one in evidence["charges"] if one["seconds"] >= 100]
        assert charge["amount"] == evidence["spent"]
        assert charge["seen_count"] >= 1
        assert charge["since"] < charge["until"] <= charge["seen_until"]
        [allocation] = evidence["allocations"]
        assert (allocation["id"], allocation["name"]) == (charge["subject_id"], "first")
        states = [step["to"] for step in allocation["history"]]
        assert states[:3] == ["queued", "provisioning", "active"]
        assert "released" in states

    async def test_says_who_signed_in_from_where_and_what_they_accepted(self, evidence: dict[str, Any]) -> None:
        [person] = evidence["customer"]["members"]
        assert [one["how"] for one in evidence["sign_ins"]] == ["signed in to the console"]
        [signed_in] = evidence["sign_ins"]
        assert (signed_in["user_id"], signed_in["address"] is not None) == (person["user_id"], True)
        [terms] = evidence["terms"]
        assert (terms["user_id"], terms["version"], terms["address"]) == (person["user_id"], "1", "203.0.113.7")
        assert [one["state"] for one in evidence["refunds"]] == ["pending"]

    async def test_is_told_to_the_bank_in_its_own_fields(self, evidence: dict[str, Any]) -> None:
        packet = cast(Evidence, evidence)
        fields = fields_of(packet, "She used it.")
        assert fields["uncategorized_text"].startswith("She used it.\n\nThe dispute\n")
        for told in (
            "version 1 of https://sublet.example/terms",
            "seen running",
            "provisioning",
            "Spent of this payment",
        ):
            assert told in fields["uncategorized_text"]
            assert told in text_of(packet)
        assert "signed in to the console" in fields["access_activity_log"]
        assert fields["service_date"] == min(one["since"] for one in packet["charges"])[:10]
        long = cast(Evidence, evidence | {"sign_ins": evidence["sign_ins"] * 1000})
        cut = fields_of(long)["access_activity_log"]
        assert (len(cut), cut.endswith("our records have it.")) == (LONGEST_FIELD, True)

    async def test_is_for_operators_who_answer_alone(self, web: Web) -> None:
        for role, status in (("support", 403), ("fleet", 403), ("finance", 404), ("admin", 404)):
            assert (await (await web.operator(role)).get(PATH)).status_code == status
