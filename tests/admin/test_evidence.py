"""What speaks for a disputed payment, where a machine really ran: charges with their proof, sign-ins, terms."""

import re
from dataclasses import dataclass
from typing import Any, cast

import pytest

from sublet.client.evidence_text import LEFT_OUT, LONGEST_FIELD, LONGEST_NOTE, SIGN_INS, fields_of, text_of, with_note
from sublet.client.shapes.evidence import Evidence
from tests.allocations.rental import Rental
from tests.invariants.people import Business
from tests.support.app import Web

pytestmark = pytest.mark.anyio

PATH = "/api/v1/admin/disputes/dsp_ran/evidence"
PARTS = (
    *("The dispute", "The payment", "Who the customer is", "Terms that were accepted", "What the payment paid for"),
    *("What was given back", "Machines and how they were delivered", "Each charge, newest first"),
)
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


PAYER_LEFT = (
    "INSERT INTO user_account (id, email, name, password_hash) "
    "VALUES ('usr_other', 'other@customer.example', 'Grace', '$argon2id$none')",
    "WITH left_it AS (DELETE FROM membership WHERE user_id = :payer RETURNING organization_id) "
    "INSERT INTO membership (organization_id, user_id, role) SELECT organization_id, 'usr_other', 'owner' FROM left_it",
)


@dataclass(frozen=True, slots=True)
class Ran:
    """A disputed payment out of which a machine was paid that ran for a hundred seconds."""

    web: Web
    rental: Rental
    organization_id: str
    payer: str

    async def run(self, *statements: str) -> None:
        """Change what is on record."""
        for statement in statements:
            named = {"organization_id": self.organization_id, "payer": self.payer}
            await self.rental.run(statement, **{name: named[name] for name in named if f":{name}" in statement})

    async def evidence(self, dispute_id: str = "dsp_ran") -> dict[str, Any]:
        """What speaks for it."""
        found = await (await self.web.operator("finance")).get(f"/api/v1/admin/disputes/{dispute_id}/evidence")
        assert found.status_code == 200, found.text
        return dict(found.json())


@pytest.fixture
async def ran(web: Web) -> Ran:
    """A payment that was used, and is disputed."""
    business = await Business.open(web)
    rental, allocation_id = business.rental, business.ids["id_or_name"]
    ran = Ran(web, rental, business.ids["organization_id"], business.me["user"]["id"])
    await ran.run(*PAID_AND_DISPUTED)
    await ran.run(
        "INSERT INTO terms_acceptance (user_id, url, version, occasion, address) "
        "VALUES (:payer, 'https://sublet.example/terms', '1', 'sign_up', '203.0.113.7')",
    )
    await rental.ran_for(allocation_id, 100)
    await rental.release(allocation_id)
    await rental.work_until(allocation_id, "released")
    return ran


@pytest.fixture
async def evidence(ran: Ran) -> dict[str, Any]:
    """What speaks for it."""
    return await ran.evidence()


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
        fields = with_note(packet["fields"], "She used it.")
        assert packet["fields"] == fields_of(packet)
        assert fields["uncategorized_text"].startswith("She used it.\n\nThe dispute\n")
        for told in (
            "version 1 of https://sublet.example/terms",
            "seen running",
            "provisioning",
            "Spent of this payment",
        ):
            assert told in fields["uncategorized_text"]
            assert told in text_of(packet["fields"])
        assert "signed in to the console" in fields["access_activity_log"]
        assert fields["service_date"] == min(one["since"] for one in packet["charges"])[:10]
        [person] = evidence["customer"]["members"]
        assert (fields["customer_name"], fields["customer_email_address"]) == (person["name"], person["email"])
        [signed_in] = evidence["sign_ins"]
        assert fields["customer_purchase_ip"] == signed_in["address"]

    async def test_sums_the_charges_of_each_machine(self, evidence: dict[str, Any]) -> None:
        [summed], charges = evidence["sums"], evidence["charges"]
        assert (summed["name"], summed["charges"], evidence["sums_left_out"]) == ("first", len(charges), 0)
        assert summed["seconds"] == sum(one["seconds"] for one in charges)
        assert (summed["since"], summed["until"]) == (charges[-1]["since"], charges[0]["until"])
        assert summed["seen_count"] == sum(one["seen_count"] for one in charges if one["seen_count"] is not None)

    async def test_names_who_paid_and_nobody_else(self, ran: Ran) -> None:
        before = await ran.evidence()
        [person] = before["customer"]["members"]
        await ran.run(*PAYER_LEFT)
        left = await ran.evidence()
        assert [one["name"] for one in left["customer"]["members"]] == ["Grace"]
        fields = fields_of(cast(Evidence, left))
        assert (fields["customer_name"], fields["customer_email_address"]) == (person["name"], person["email"])
        assert [one["user_id"] for one in left["terms"]] == [ran.payer]
        nobody = cast(Evidence, left | {"payment": left["payment"] | {"payer": None}})
        assert not {"customer_name", "customer_email_address"} & set(fields_of(nobody))

    async def test_says_nobody_elses_address_is_the_payers(self, evidence: dict[str, Any]) -> None:
        [mine] = evidence["sign_ins"]
        others = mine | {"user_id": "usr_other", "address": "198.51.100.9"}
        both = cast(Evidence, evidence | {"sign_ins": [others, mine]})
        assert fields_of(both)["customer_purchase_ip"] == mine["address"]
        alone = cast(Evidence, evidence | {"sign_ins": [others]})
        assert "customer_purchase_ip" not in fields_of(alone)

    async def test_has_the_sign_ins_before_the_payment_however_many_follow(self, ran: Ran) -> None:
        [before] = (await ran.evidence())["sign_ins"]
        await ran.run(
            "INSERT INTO audit_event (id, actor_kind, actor_user_id, actor_name, organization_id, action, target_type, "
            "target_id) SELECT 'aud_' || n, 'user', :payer, 'Ada', :organization_id, 'login.succeeded', 'user', :payer "
            "FROM generate_series(1, 200) n"
        )
        shown = (await ran.evidence())["sign_ins"]
        assert (len(shown), shown[-1]) == (51, before)

    async def test_can_be_gathered_for_a_dispute_in_another_currency(self, ran: Ran) -> None:
        await ran.run(
            "INSERT INTO dispute (id, processor_id, organization_id, top_up_id, amount, currency, reason, disputed_at) "
            "VALUES ('dsp_eur', 'du_eur', :organization_id, 'tu_ran', 1000000, 'EUR', 'fraudulent', now())"
        )
        found = await ran.evidence("dsp_eur")
        assert (found["dispute"]["amount"]["currency"], found["spent"]["currency"]) == ("EUR", "USD")

    async def test_is_emptied_by_no_part_of_it(self, evidence: dict[str, Any]) -> None:
        for much in ("charges", "sums", "terms", "refunds", "sign_ins", "allocations"):
            fields = fields_of(cast(Evidence, evidence | {much: evidence[much] * 1000}))
            told = fields["uncategorized_text"]
            assert all(len(value) <= LONGEST_FIELD for value in fields.values())
            assert (fields["access_activity_log"] if much == "sign_ins" else told).count(LEFT_OUT) == 1
            assert len(with_note(fields, "n" * LONGEST_NOTE)["uncategorized_text"]) <= LONGEST_FIELD
            for proof in (*PARTS, "version 1 of", "seen running", "provisioning", "asked for", "an hour, "):
                assert proof in told, (much, proof)

    async def test_has_no_line_of_a_customers_making(self, evidence: dict[str, Any]) -> None:
        hostile = f"late\n\n{SIGN_INS}\n\u2028None\u001b]52;c;x\u0007\u009b\u202e"
        [refund], [signed_in], [terms] = evidence["refunds"], evidence["sign_ins"], evidence["terms"]
        told = fields_of(
            cast(
                Evidence,
                evidence
                | {
                    "refunds": [refund | {"reason": hostile}],
                    "sign_ins": [signed_in | {"address": hostile}],
                    "terms": [terms | {"user_agent": hostile}],
                    "payment": evidence["payment"] | {"customer_email": hostile},
                },
            )
        )
        for field in ("uncategorized_text", "access_activity_log", "customer_email_address"):
            assert "late��" in told[field]
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]", told[field])
            assert SIGN_INS not in told[field].splitlines()

    async def test_is_for_operators_who_answer_alone(self, web: Web) -> None:
        for role, status in (("support", 403), ("fleet", 403), ("finance", 404), ("admin", 404)):
            assert (await (await web.operator(role)).get(PATH)).status_code == status
