"""Credit that operators give within a budget, and codes that customers redeem: once each, while they last."""

import asyncio
from typing import Any

import httpx
import psycopg
import pytest

from sublet.core.app import SETTINGS
from tests.ledger.books import assert_books_are_sound
from tests.payments.refunds import available
from tests.payments.shop import Shop

pytestmark = pytest.mark.anyio

CODE = "SPRING-7Q4M-X2"
HERE, THERE = {"X-Address": "192.0.2.7"}, {"X-Address": "192.0.2.8"}


async def give(shop: Shop, organization: str, amount: str, **more: Any) -> httpx.Response:
    """POST /admin/credits; the shop's budget is 100.00 a month."""
    body = {"organization_id": organization, "amount": amount, "currency": "USD", "valid_days": 30, "reason": "Welcome"}
    return await shop.operate("POST", "credits", **{**body, **more})


async def make(shop: Shop, code: str = CODE, **more: Any) -> httpx.Response:
    """POST /admin/promo-codes."""
    body = {"amount": "5.00", "currency": "USD", "most_uses": 2, "days": 7, "valid_days": 30, "reason": "A fair"}
    return await shop.operate("POST", "promo-codes", **{"code": code, **body, **more})


async def redeem(shop: Shop, organization: str, code: str = CODE, **more: Any) -> httpx.Response:
    """POST /promo-codes/redeem."""
    return await shop.ask(organization, "POST", "/promo-codes/redeem", json={"code": code}, **more)


async def guess(shop: Shop, organization: str, times: int, code: str = "GUESS-0000-X1") -> list[int]:
    """Try a code so many times from one address; the answers."""
    return [(await redeem(shop, organization, code, headers=HERE)).status_code for _ in range(times)]


async def audited(shop: Shop) -> list[str]:
    rows = await shop.rows("SELECT action FROM audit_event WHERE action ~ '^(credit|promo_code)' ORDER BY id")
    return sorted(row.action for row in rows)


class TestGrant:
    async def test_is_in_the_wallet_with_its_end_and_in_the_trail(self, shop: Shop) -> None:
        await shop.hire("ada")
        organization = await shop.organization()
        made = (await give(shop, organization, "10.00")).json()
        assert (made["credit"]["amount"]["amount"], made["approval"]) == ("10.00", None)
        for_ever = (await give(shop, organization, "1.00", valid_days=None)).json()["credit"]
        assert for_ever["expires_at"] is None
        assert await available(shop, organization) == "11.00"
        credits = (await shop.ask(organization, "GET", "/credits")).json()["items"]
        assert [(one["left"]["amount"], one["expires_at"], one["reason"]) for one in credits] == [
            ("1.00", None, "Welcome"),
            ("10.00", made["credit"]["expires_at"], "Welcome"),
        ]
        listed = (await shop.operate("GET", f"credits?organization_id={organization}")).json()["items"]
        assert [one["id"] for one in listed] == [for_ever["id"], made["credit"]["id"]]
        assert await audited(shop) == ["credit.granted", "credit.granted"]
        async with shop.database.transaction() as session:
            await assert_books_are_sound(session)

    async def test_beyond_the_budget_of_the_month_takes_a_second_person(self, shop: Shop) -> None:
        await shop.hire("ada", "bob")
        organization = await shop.organization()
        assert (await give(shop, organization, "60.00")).json()["credit"] is not None
        assert (await give(shop, organization, "40.00")).json()["credit"] is not None
        waiting = (await give(shop, organization, "0.01")).json()
        assert (waiting["credit"], waiting["approval"]["state"]) == (None, "requested")
        assert await available(shop, organization) == "100.00"
        await shop.approve(waiting["approval"]["id"], "bob")
        assert (await give(shop, organization, "0.02")).json()["credit"] is None, "something else was approved"
        assert (await give(shop, organization, "0.01", valid_days=None)).json()["credit"] is None
        assert (await give(shop, organization, "0.01")).json()["credit"] is not None
        assert await available(shop, organization) == "100.01"
        stands = (await shop.operate("GET", "credit-budget")).json()
        assert [stands[name]["amount"] for name in ("whole", "given", "left")] == ["100.00", "100.00", "0.00"]

    async def test_of_two_at_once_does_not_exceed_the_budget(self, shop: Shop) -> None:
        await shop.hire("ada")
        organizations = [await shop.organization() for _ in range(4)]
        answers = await asyncio.gather(*(give(shop, one, "40.00") for one in organizations))
        assert sum(answer.json()["credit"] is not None for answer in answers) == 2

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({"amount": "0"}, 422),
            ({"amount": "-5.00"}, 422),
            ({"amount": "1e3"}, 422),
            ({"amount": "NaN"}, 422),
            ({"amount": "999999999999999999999"}, 422),
            ({"valid_days": 0}, 422),
            ({"valid_days": "for ever"}, 422),
            ({"reason": " "}, 422),
            ({"currency": "XXX"}, 422),
            ({"organization_id": "org_nobody"}, 409),
        ],
    )
    async def test_that_makes_no_sense_gives_nothing(self, shop: Shop, change: dict[str, Any], status: int) -> None:
        await shop.hire("ada")
        organization = await shop.organization()
        answer = await give(shop, organization, **{"amount": "1.00", **change})
        assert answer.status_code == status, answer.text
        assert await shop.rows("SELECT 1 FROM credit_grant") == []

    async def test_is_in_the_currency_of_wallets_alone(self, shop: Shop) -> None:
        await shop.hire("ada")
        organization = await shop.organization("EUR")
        answer = await give(shop, organization, "1.00", currency="EUR")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "currency")
        assert "Wallets are kept in USD here, so nobody could spend credit in EUR." in answer.json()["detail"]
        assert await shop.rows("SELECT 1 FROM credit_grant UNION ALL SELECT 1 FROM approval") == []

    async def test_does_not_assume_that_credit_is_for_ever(self, shop: Shop) -> None:
        await shop.hire("ada")
        organization = await shop.organization()
        body = {"organization_id": organization, "amount": "1.00", "currency": "USD", "reason": "Welcome"}
        assert (await shop.operate("POST", "credits", **body)).status_code == 422


class TestCode:
    async def test_gives_each_organization_its_credit_once(self, shop: Shop) -> None:
        await shop.hire("ada")
        assert (await make(shop)).json()["promo_code"]["is_over"] is False
        first, second, third = [await shop.organization() for _ in range(3)]
        assert (await redeem(shop, first, CODE.lower())).json() == {"amount": {"amount": "5.00", "currency": "USD"}}
        again = await redeem(shop, first)
        assert (again.status_code, again.json()["code"]) == (409, "promo_code_already_redeemed")
        assert (await redeem(shop, second, f" {CODE} ")).status_code == 201
        over = await redeem(shop, third)
        assert (over.status_code, over.json()["code"]) == (409, "promo_code_refused")
        assert [await available(shop, one) for one in (first, second, third)] == ["5.00", "5.00", "0.00"]
        [credit] = (await shop.ask(first, "GET", "/credits")).json()["items"]
        assert credit["reason"] == f"Promo code {CODE}"
        assert credit["expires_at"] is not None
        [listed] = (await shop.operate("GET", "promo-codes")).json()["items"]
        assert (listed["uses"], listed["is_over"]) == (2, True)
        assert await audited(shop) == ["promo_code.created", "promo_code.redeemed", "promo_code.redeemed"]
        async with shop.database.transaction() as session:
            await assert_books_are_sound(session)

    async def test_is_given_once_for_its_last_use_and_once_to_each(self, shop: Shop) -> None:
        await shop.hire("ada")
        await make(shop, most_uses=2)
        organizations = [await shop.organization() for _ in range(4)]
        tries = [*organizations, *organizations]
        answers = await asyncio.gather(*(redeem(shop, one) for one in tries))
        assert sorted(answer.status_code for answer in answers) == [201, 201, *[409] * 6]
        assert sorted([await available(shop, one) for one in organizations]) == ["0.00", "0.00", "5.00", "5.00"]

    async def test_repeated_under_one_key_is_one(self, shop: Shop) -> None:
        await shop.hire("ada")
        await make(shop)
        organization = await shop.organization()
        answers = [await redeem(shop, organization, headers={"Idempotency-Key": "once"}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert await available(shop, organization) == "5.00"

    async def test_that_was_ended_gives_nothing_more_and_stays_ended(self, shop: Shop) -> None:
        await shop.hire("ada")
        made = (await make(shop)).json()["promo_code"]
        assert [(one["name"], one["allowed"]) for one in made["actions"]] == [("end", True)]
        ended = (await shop.operate("POST", f"promo-codes/{made['id']}/end")).json()
        assert (ended["is_over"], [one["allowed"] for one in ended["actions"]]) == (True, [False])
        again = await shop.operate("POST", f"promo-codes/{made['id']}/end")
        assert (again.status_code, again.json()["code"]) == (409, "promo_code_over")
        assert (await redeem(shop, await shop.organization())).json()["code"] == "promo_code_refused"
        assert await audited(shop) == ["promo_code.created", "promo_code.ended"]

    async def test_whose_time_is_over_is_told_like_none(self, shop: Shop, owner_url: str) -> None:
        await shop.hire("ada")
        await make(shop)
        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute("UPDATE promo_code SET expires_at = clock_timestamp()")
        organization = await shop.organization()
        over, none = await redeem(shop, organization), await redeem(shop, organization, "NO-SUCH-CODE")
        assert over.json()["code"] == none.json()["code"] == "promo_code_refused"
        assert over.json()["detail"] == none.json()["detail"]

    async def test_lets_nobody_guess_for_long(self, shop: Shop) -> None:
        await shop.hire("ada")
        await make(shop)
        organization, other = await shop.organization(), await shop.organization()
        for number in range(20):
            assert (await redeem(shop, organization, f"GUESS-{number:04d}")).status_code == 409
        closed = await redeem(shop, organization)
        assert (closed.status_code, closed.json()["code"]) == (429, "too_many_attempts")
        assert (await redeem(shop, other)).status_code == 201

    async def test_leaves_few_guesses_to_who_signs_up_again(self, shop: Shop) -> None:
        await shop.hire("ada")
        await make(shop)
        for _ in range(3):
            assert await guess(shop, await shop.organization(), 20) == [409] * 20
        another = await shop.organization()
        assert await guess(shop, another, 6) == [409] * 5 + [429]
        assert (await redeem(shop, another, headers=THERE)).status_code == 201
        neighbour = await shop.organization()
        assert (await redeem(shop, neighbour, headers=HERE)).status_code == 201, "the address closes for nobody"

    async def test_that_one_organization_guesses_costs_no_other_a_try(self, shop: Shop) -> None:
        await shop.hire("ada")
        await make(shop)
        assert await guess(shop, await shop.organization(), 62) == [409] * 20 + [429] * 42
        assert await guess(shop, await shop.organization(), 20) == [409] * 20

    async def test_counts_for_an_address_where_it_is_none(self, shop: Shop) -> None:
        await shop.hire("ada")
        await make(shop, most_uses=4)
        for _ in range(3):
            organization = await shop.organization()
            assert await guess(shop, organization, 20, CODE) == [201] + [409] * 19
        assert await guess(shop, await shop.organization(), 20) == [409] * 20
        for _ in range(2):
            await guess(shop, await shop.organization(), 20)
        late = await shop.organization()
        assert (await redeem(shop, late, headers=HERE)).status_code == 201
        [counted] = await shop.rows("SELECT max(attempts) AS most FROM throttle")
        assert counted.most == 61, "what is not counted any more is not taken back either"

    async def test_asks_for_a_verified_address_where_mail_is_sent(self, shop: Shop, owner_url: str) -> None:
        await shop.hire("ada")
        await make(shop)
        organization = await shop.organization()
        shop.parts[SETTINGS].smtp_host = "127.0.0.1"
        refused = await redeem(shop, organization)
        [action] = (await shop.ask(organization, "GET", "/credits")).json()["actions"]
        assert (refused.status_code, refused.json()["code"]) == (409, "address_not_verified")
        assert (action["name"], action["allowed"]) == ("redeem", False)
        assert refused.json()["detail"].startswith(action["reason"])
        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute("UPDATE user_account SET verified_email = email, verified_at = clock_timestamp()")
        [action] = (await shop.ask(organization, "GET", "/credits")).json()["actions"]
        assert action["allowed"]
        assert (await redeem(shop, organization)).status_code == 201

    async def test_is_in_the_currency_of_wallets_alone(self, shop: Shop, owner_url: str) -> None:
        await shop.hire("ada")
        assert (await make(shop, currency="EUR")).status_code == 422
        await make(shop)
        organization = await shop.organization()
        with psycopg.connect(owner_url) as owner:
            owner.execute("SET session_replication_role = replica")
            owner.execute("UPDATE promo_code SET currency = 'EUR'")
        refused = await redeem(shop, organization)
        assert (refused.status_code, refused.json()["code"]) == (409, "promo_code_refused")
        assert [row.currency for row in await shop.rows("SELECT currency FROM ledger.wallet")] == ["USD"]

    async def test_counts_with_all_of_its_uses_against_the_budget(self, shop: Shop) -> None:
        await shop.hire("ada", "bob")
        assert (await make(shop, most_uses=20)).json()["promo_code"] is not None
        more = {"code": "AUTUMN-7Q4M-X2", "amount": "0.01", "most_uses": 1}
        waiting = (await make(shop, **more)).json()
        assert waiting["promo_code"] is None
        await shop.approve(waiting["approval"]["id"], "bob")
        assert (await make(shop, **more)).json()["promo_code"] is not None
        stands = (await shop.operate("GET", "credit-budget")).json()
        assert stands["given"]["amount"] == "100.00", "what a second person approved does not count"

    async def test_of_letters_that_there_are_is_refused(self, shop: Shop) -> None:
        await shop.hire("ada")
        await make(shop)
        taken = await make(shop, CODE.lower())
        assert (taken.status_code, taken.json()["code"]) == (409, "promo_code_taken")

    @pytest.mark.parametrize(
        "change",
        [
            {"code": "SHORT"},
            {"code": "WITH SPACES-12"},
            {"most_uses": 0},
            {"days": 0},
            {"amount": "0"},
            {"code": "-A-B-C-D-"},
        ],
    )
    async def test_that_makes_no_sense_is_not_made(self, shop: Shop, change: dict[str, Any]) -> None:
        await shop.hire("ada")
        assert (await make(shop, **change)).status_code == 422
        assert await shop.rows("SELECT 1 FROM promo_code") == []


class TestBudget:
    async def test_begins_anew_with_the_month(self, shop: Shop, owner_url: str) -> None:
        await shop.hire("ada")
        assert (await give(shop, await shop.organization(), "60.00")).json()["credit"] is not None
        assert (await make(shop, most_uses=8)).json()["promo_code"] is not None
        with psycopg.connect(owner_url) as owner:
            owner.execute("ALTER TABLE credit_grant DISABLE TRIGGER append_only")
            owner.execute("UPDATE credit_grant SET created_at = created_at - interval '1 month'")
            owner.execute("ALTER TABLE credit_grant ENABLE TRIGGER append_only")
        of_codes = (await shop.operate("GET", "credit-budget")).json()
        with psycopg.connect(owner_url) as owner:
            owner.execute("UPDATE promo_code SET created_at = created_at - interval '1 month'")
        of_nothing = (await shop.operate("GET", "credit-budget")).json()
        assert [one["given"]["amount"] for one in (of_codes, of_nothing)] == ["40.00", "0.00"]


class TestApplicationsRole:
    """What PostgreSQL refuses whoever runs as the application."""

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE promo_code SET amount = amount * 100",
            "UPDATE promo_code SET most_uses = 1000",
            "UPDATE promo_code SET expires_at = expires_at + interval '1 year'",
            "DELETE FROM promo_code",
            "DELETE FROM promo_redemption",
            "UPDATE promo_redemption SET organization_id = 'org'",
            "UPDATE credit_grant SET amount = 1",
            "DELETE FROM credit_grant",
            "TRUNCATE credit_grant",
        ],
    )
    async def test_cannot(self, shop: Shop, app_url: str, statement: str) -> None:
        await shop.hire("ada")
        await make(shop)
        organization = await shop.organization()
        await redeem(shop, organization)
        await give(shop, organization, "1.00")
        with psycopg.connect(app_url) as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute(statement)  # type: ignore[call-overload]  # constants of this file

    @pytest.mark.parametrize(
        "before",
        ["", "UPDATE promo_code SET ended_at = now()", "UPDATE promo_code SET expires_at = now()"],
        ids=["used up", "ended", "expired"],
    )
    async def test_cannot_redeem_what_is_over(self, shop: Shop, app_url: str, owner_url: str, before: str) -> None:
        await shop.hire("ada")
        made = (await make(shop, most_uses=1)).json()["promo_code"]
        first, second = await shop.organization(), await shop.organization()
        if before:
            with psycopg.connect(owner_url, autocommit=True) as owner:
                owner.execute(before)  # type: ignore[call-overload]  # constants of this file
        else:
            await redeem(shop, first)
        with psycopg.connect(app_url) as app, pytest.raises(psycopg.errors.CheckViolation, match="is over"):
            app.execute(
                "INSERT INTO promo_redemption (promo_code_id, organization_id, user_id, entry_id) "
                "VALUES (%s, %s, 'usr', 1)",
                (made["id"], second),
            )

    async def test_cannot_open_an_ended_code_again(self, shop: Shop, app_url: str) -> None:
        await shop.hire("ada")
        made = (await make(shop)).json()["promo_code"]
        await shop.operate("POST", f"promo-codes/{made['id']}/end")
        with psycopg.connect(app_url) as app, pytest.raises(psycopg.errors.CheckViolation, match="has ended"):
            app.execute("UPDATE promo_code SET ended_at = NULL")
